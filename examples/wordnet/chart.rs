//! The loss curve as an SVG picture.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// The plot's edges.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 380.0;

const STYLE: &str = "
  svg { color-scheme: light dark; font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
  .paper { fill: #ffffff } .grid { stroke: #e3e6ea } .axis { stroke: #8a929c }
  text { fill: #57606a; font-size: 13px } .title { fill: #1f2328; font-size: 18px; font-weight: 600 }
  .curve { fill: none; stroke: #1668b8; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
  .end { fill: #1668b8 } .value { fill: #1668b8; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14181d } .grid { stroke: #2b3138 } .axis { stroke: #6b747e }
    text { fill: #a3acb6 } .title { fill: #eef1f4 }
    .curve { stroke: #63b3ff } .end, .value { fill: #63b3ff }
  }
";

/// Draws a curve of `(epochs, loss)` with a logarithmic loss axis.
pub fn loss_curve(curve: &[(f64, f64)], title: &str, subtitle: &str) -> String {
    let losses = curve.iter().map(|point| point.1);
    let scale = Scale {
        epochs: curve.last().map_or(1.0, |point| point.0.ceil()),
        low: floor_tick(losses.clone().fold(f64::INFINITY, f64::min)),
        high: ceil_tick(losses.fold(0.0, f64::max)),
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    text(&mut svg, "title", "start", LEFT, 36.0, title);
    text(&mut svg, "", "start", LEFT, 58.0, subtitle);
    loss_axis(&mut svg, &scale);
    epoch_axis(&mut svg, &scale);
    line(&mut svg, &scale, curve);
    svg + "</svg>\n"
}

struct Scale {
    epochs: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, epoch: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * epoch / self.epochs
    }

    fn y(&self, loss: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (loss / self.low).ln() / (self.high / self.low).ln()
    }
}

/// 1, 2 and 5 times the powers of ten from 10^-4 to 10^3.
fn ticks() -> impl DoubleEndedIterator<Item = f64> + Clone {
    (-4..4).flat_map(|power| [1.0, 2.0, 5.0].map(|first| first * 10f64.powi(power)))
}

fn floor_tick(value: f64) -> f64 {
    ticks().rev().find(|&tick| tick < value).unwrap_or(1e-4)
}

fn ceil_tick(value: f64) -> f64 {
    ticks().find(|&tick| tick > value).unwrap_or(5e3)
}

fn text(svg: &mut String, class: &str, anchor: &str, x: f64, y: f64, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
    );
}

fn rule(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn loss_axis(svg: &mut String, scale: &Scale) {
    let drawn = |&tick: &f64| tick >= scale.low * 0.99 && tick <= scale.high * 1.01;
    for tick in ticks().filter(drawn) {
        let y = scale.y(tick);
        rule(svg, "grid", (LEFT, y), (RIGHT, y));
        let digits = (-tick.log10().floor()).max(0.0) as usize;
        text(svg, "", "end", LEFT - 10.0, y + 4.5, &format!("{tick:.digits$}"));
    }
    let middle = (TOP + BOTTOM) / 2.0;
    let _ = write!(svg, "<g transform=\"rotate(-90 22 {middle})\">");
    text(svg, "", "middle", 22.0, middle, "mean loss (nats a pair, log scale)");
    svg.push_str("</g>\n");
}

fn epoch_axis(svg: &mut String, scale: &Scale) {
    rule(svg, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    let step = ticks().find(|&step| step >= 1.0 && scale.epochs / step <= 12.0).unwrap_or(1.0);
    for tick in 0..=(scale.epochs / step) as u32 {
        let epoch = f64::from(tick) * step;
        let x = scale.x(epoch);
        rule(svg, "axis", (x, BOTTOM), (x, BOTTOM + 5.0));
        text(svg, "", "middle", x, BOTTOM + 21.0, &epoch.to_string());
    }
    text(svg, "", "middle", (LEFT + RIGHT) / 2.0, BOTTOM + 45.0, "epochs");
}

fn line(svg: &mut String, scale: &Scale, curve: &[(f64, f64)]) {
    svg.push_str("<polyline class=\"curve\" points=\"");
    for &(epoch, loss) in curve {
        let _ = write!(svg, "{:.1},{:.1} ", scale.x(epoch), scale.y(loss));
    }
    svg.push_str("\"/>\n");
    if let Some(&(epoch, loss)) = curve.last() {
        let (x, y) = (scale.x(epoch), scale.y(loss));
        let _ = writeln!(svg, "<circle class=\"end\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        text(svg, "value", "end", x, y - 12.0, &format!("{loss:.3}"));
    }
}
