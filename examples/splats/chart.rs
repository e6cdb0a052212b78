//! The PSNR and the number of splats along the way, as an SVG picture.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// The plot's edges.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 688.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 380.0;

const STYLE: &str = "
  svg { color-scheme: light dark; font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
  .paper { fill: #ffffff } .grid { stroke: #e3e6ea } .axis { stroke: #8a929c }
  text { fill: #57606a; font-size: 13px } .title { fill: #1f2328; font-size: 18px; font-weight: 600 }
  polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
  .psnr { stroke: #1668b8 } text.psnr { stroke: none; fill: #1668b8; font-weight: 600 }
  .splats { stroke: #b35900 } text.splats { stroke: none; fill: #b35900; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14181d } .grid { stroke: #2b3138 } .axis { stroke: #6b747e }
    text { fill: #a3acb6 } .title { fill: #eef1f4 }
    .psnr { stroke: #63b3ff } text.psnr { fill: #63b3ff } .splats { stroke: #ff9f43 } text.splats { fill: #ff9f43 }
  }
";

/// A point of the curve.
#[derive(Clone, Copy)]
pub struct Point {
    pub step: u32,
    pub splats: u32,
    /// In dB.
    pub psnr: f64,
}

/// Draws a curve that has at least one point.
pub fn draw(curve: &[Point], title: &str, subtitle: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    text(&mut svg, "title", "start", (LEFT, 36.0), title);
    text(&mut svg, "", "start", (LEFT, 58.0), subtitle);
    let last = curve[curve.len() - 1];
    let psnr = Scale::of(curve.iter().map(|point| point.psnr));
    let splats = Scale::of(curve.iter().map(|point| f64::from(point.splats)).chain([0.0]));
    let steps = Scale::of([0.0, f64::from(last.step)].into_iter());
    for tick in psnr.ticks() {
        let y = psnr.up(tick);
        line(&mut svg, "grid", (LEFT, y), (RIGHT, y));
        text(&mut svg, "psnr", "end", (LEFT - 8.0, y + 4.5), &format!("{tick}"));
    }
    for tick in splats.ticks() {
        text(&mut svg, "splats", "start", (RIGHT + 8.0, splats.up(tick) + 4.5), &format!("{tick}"));
    }
    line(&mut svg, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    for tick in steps.ticks() {
        text(&mut svg, "", "middle", (steps.right(tick), BOTTOM + 21.0), &format!("{tick}"));
    }
    text(
        &mut svg,
        "psnr",
        "start",
        (LEFT, TOP - 14.0),
        &format!("PSNR, dB: {:.2} at last", last.psnr),
    );
    text(
        &mut svg,
        "splats",
        "end",
        (RIGHT, TOP - 14.0),
        &format!("splats: {} at last", last.splats),
    );
    text(&mut svg, "", "middle", ((LEFT + RIGHT) / 2.0, BOTTOM + 45.0), "steps");
    let at = |point: &Point| steps.right(f64::from(point.step));
    polyline(&mut svg, "splats", curve.iter().map(|p| (at(p), splats.up(f64::from(p.splats)))));
    polyline(&mut svg, "psnr", curve.iter().map(|p| (at(p), psnr.up(p.psnr))));
    svg + "</svg>\n"
}

/// The curve as comma-separated values.
pub fn csv(curve: &[Point]) -> String {
    let lines =
        curve.iter().map(|point| format!("{},{},{:.4}\n", point.step, point.splats, point.psnr));
    "step,splats,psnr_db\n".to_string() + &lines.collect::<String>()
}

/// From a low tick to a high one.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max).max(low + 1e-3);
        let wanted = (high - low) / 8.0;
        let power = 10f64.powf(wanted.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|digit| digit * power)
            .into_iter()
            .find(|&step| step >= wanted);
        let step = step.unwrap_or(10.0 * power);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let &Self { low, high, step } = self;
        // Multiplied, not added up, so that 0.1 * 3 prints as it is meant.
        (0..=((high - low) / step).round() as u32)
            .map(move |tick| ((low / step).round() + f64::from(tick)) * step)
    }

    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn up(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.part(value)
    }

    fn right(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.part(value)
    }
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
    );
}

fn line(svg: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn polyline(svg: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
}
