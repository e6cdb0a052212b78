//! Pictures on the host, and the one that is fitted by default: a lake at dusk, drawn here, so that nobody has rights in it.
//! Most of it is smooth; what is small and sharp lies in few places, as in photographs.

/// A picture.
#[derive(Clone)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Red, green, blue of each pixel, row by row; 0 to 1, as they are shown (sRGB).
    pub pixels: Vec<[f32; 3]>,
}

impl Picture {
    /// The picture whose pixel at a column and a row has this colour.
    pub fn of(width: u32, height: u32, colour: impl Fn(u32, u32) -> [f32; 3]) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, pixels: pixels.map(|(x, y)| colour(x, y)).collect() }
    }

    /// The default picture, `size` pixels wide and high.
    pub fn dusk(size: u32) -> Self {
        let part = 1.0 / (f64::from(size) * f64::from(SAMPLES));
        Self::of(size, size, |x, y| {
            let mut sum = [0.0; 3];
            for (i, j) in (0..SAMPLES).flat_map(|j| (0..SAMPLES).map(move |i| (i, j))) {
                let at = |pixel: u32, i: u32| (f64::from(pixel * SAMPLES + i) + 0.5) * part;
                let colour = dusk(at(x, i), at(y, j));
                (0..3).for_each(|c| sum[c] += colour[c]);
            }
            sum.map(|sum| (sum / f64::from(SAMPLES * SAMPLES)).clamp(0.0, 1.0) as f32)
        })
    }

    /// How near this picture, as it is shown, is to `other`, in dB: -10 log10 of the mean squared difference.
    pub fn psnr(&self, other: &Self) -> f64 {
        let square =
            |(a, b): (&f32, &f32)| f64::from(a.clamp(0.0, 1.0) - b.clamp(0.0, 1.0)).powi(2);
        let values = self.pixels.as_flattened().iter().zip(other.pixels.as_flattened());
        let mean = values.map(square).sum::<f64>() / (3 * self.pixels.len()) as f64;
        -10.0 * mean.log10()
    }

    /// This picture and `other`, of the same height, side by side.
    pub fn beside(&self, other: &Self) -> Self {
        let rows =
            self.pixels.chunks(self.width as usize).zip(other.pixels.chunks(other.width as usize));
        let pixels = rows.flat_map(|(left, right)| left.iter().chain(right)).copied().collect();
        Self { width: self.width + other.width, height: self.height, pixels }
    }

    /// Its bytes, three per pixel.
    pub fn bytes(&self) -> Vec<u8> {
        let byte = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        self.pixels.as_flattened().iter().map(byte).collect()
    }
}

/// Samples of a pixel, across and down.
const SAMPLES: u32 = 4;

type Rgb = [f64; 3];

/// Where the water begins, of the picture's height.
const SHORE: f64 = 0.72;

fn mix(a: Rgb, b: Rgb, part: f64) -> Rgb {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * part.clamp(0.0, 1.0))
}

/// The colour at a place; both axes run from 0 to 1, down and to the right.
fn dusk(x: f64, y: f64) -> Rgb {
    match near(x, y) {
        Some(colour) => colour,
        None if y < SHORE => land(x, y),
        None => {
            // The water mirrors what is above it, darker, and torn by ripples that are wider nearby.
            let depth = (y - SHORE) / (1.0 - SHORE);
            let ripple = 0.014 * depth * (90.0 * (1.0 - 0.6 * depth) * depth + 9.0 * x).sin();
            let mirrored = land(x + ripple, SHORE - (y - SHORE) * 1.5);
            let water = mix(mirrored, [0.05, 0.09, 0.18], 0.35 + 0.2 * depth);
            mix(water, [1.0, 0.80, 0.52], 0.75 * glitter(x, depth))
        }
    }
}

/// What the sun leaves on the water: strokes in rows, shorter and further apart nearby.
fn glitter(x: f64, depth: f64) -> f64 {
    let row = (13.0 * depth.sqrt()).floor();
    let centre = 0.66 + 0.035 * (row * 2.4).sin();
    let long = 0.05 - 0.02 * depth + 0.015 * (row * 5.1).sin();
    let off = (13.0 * depth.sqrt()).fract() - 0.5;
    if (x - centre).abs() < long && off.abs() < 0.16 { 1.0 } else { 0.0 }
}

/// Sky, sun, and three ranges of hills.
fn land(x: f64, y: f64) -> Rgb {
    let waves = |a: f64, b: f64, c: f64| (a * x + c).sin() + 0.5 * (b * x + 2.0 * c).sin();
    if y > 0.665 - 0.018 * waves(9.0, 31.0, 0.4) {
        return mix([0.16, 0.14, 0.22], [0.10, 0.10, 0.16], (y - 0.64) * 12.0);
    }
    if y > 0.585 - 0.035 * waves(5.0, 14.0, 2.1) {
        return mix([0.30, 0.22, 0.37], [0.36, 0.26, 0.38], (y - 0.55) * 8.0);
    }
    if y > 0.52 - 0.045 * waves(3.7, 9.0, 5.2) {
        return mix([0.50, 0.36, 0.47], [0.62, 0.43, 0.47], (y - 0.45) * 6.0);
    }
    sky(x, y)
}

fn sky(x: f64, y: f64) -> Rgb {
    let high = mix([0.08, 0.13, 0.33], [0.42, 0.33, 0.54], y / 0.32);
    let colour = mix(high, [0.98, 0.68, 0.42], (y - 0.22) / 0.36);
    let distance = (x - 0.66).hypot(y - 0.40);
    if distance < 0.055 {
        return [1.0, 0.95, 0.78];
    }
    let halo = (-distance / 0.11).exp();
    let colour = mix(colour, [1.0, 0.80, 0.50], 0.9 * halo);
    // Two long clouds.
    let cloud = |at: f64, height: f64, bend: f64| {
        let off = y - at - bend * (7.0 * x + 40.0 * at).sin();
        (-(off / height).powi(2)).exp() * (0.5 + 0.5 * (5.0 * x + 30.0 * at).sin())
    };
    let clouds = 0.55 * cloud(0.27, 0.018, 0.012) + 0.45 * cloud(0.17, 0.012, 0.008);
    mix(colour, [1.0, 0.72, 0.60], clouds)
}

/// What stands before everything else, if anything does here.
fn near(x: f64, y: f64) -> Option<Rgb> {
    houses(x, y)
        .or_else(|| tower(x, y))
        .or_else(|| pines(x, y))
        .or_else(|| boat(x, y))
        .or_else(|| birds(x, y))
        .or_else(|| stars(x, y))
}

/// Houses whose windows are lit.
fn houses(x: f64, y: f64) -> Option<Rgb> {
    (0..5).find_map(|house| {
        let number = f64::from(house);
        let (left, width) = (0.30 + 0.075 * number, 0.055 + 0.009 * (number * 2.3).sin());
        let (top, bottom) = (0.655 + 0.014 * (number * 1.7).cos(), SHORE - 0.004);
        let (u, v) = ((x - left) / width, (y - top) / (bottom - top));
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            let (column, row) = ((u * 3.0).fract(), (v * 2.0).fract());
            let lit = (0.28..0.72).contains(&column) && (0.25..0.75).contains(&row);
            let dark = (house + (u * 3.0) as i32 + 2 * (v * 2.0) as i32) % 4 == 0;
            return Some(if lit && !dark { [1.0, 0.83, 0.42] } else { [0.33, 0.24, 0.25] });
        }
        let roof = top - 0.045 + 0.085 * (u - 0.5).abs();
        ((-0.12..1.12).contains(&u) && y < top && y > roof).then_some([0.52, 0.20, 0.17])
    })
}

/// A lighthouse with stripes.
fn tower(x: f64, y: f64) -> Option<Rgb> {
    let (centre, top) = (0.865, 0.40);
    let v = (y - top) / (SHORE + 0.01 - top);
    let across = (x - centre).abs();
    if (0.0..1.0).contains(&v) && across < 0.018 + 0.014 * v {
        return Some(if ((v * 9.0) as u32).is_multiple_of(2) {
            [0.93, 0.90, 0.86]
        } else {
            [0.72, 0.13, 0.14]
        });
    }
    if (-0.10..0.0).contains(&v) && across < 0.015 {
        let bar = ((x - centre) * 130.0).fract().abs() < 0.25;
        return Some(if bar { [0.15, 0.13, 0.18] } else { [1.0, 0.96, 0.70] });
    }
    let cap = (-0.17..-0.10).contains(&v) && across < 0.021 * (v + 0.17) / 0.07;
    cap.then_some([0.20, 0.12, 0.16])
}

/// Three pines, each of seven tiers with ragged edges.
fn pines(x: f64, y: f64) -> Option<Rgb> {
    [(0.075, 0.36, 0.075), (0.165, 0.45, 0.060), (0.235, 0.52, 0.045)].into_iter().find_map(
        |(centre, top, half)| {
            let v = (y - top) / (SHORE + 0.02 - top);
            let across = (x - centre).abs();
            if !(0.0..1.0).contains(&v) {
                return None;
            }
            let tier = (v * 7.0).fract();
            let needles = 0.12 * (x * 900.0 + y * 300.0).sin();
            let branch = across < half * v * (0.45 + 0.55 * tier + needles);
            let shade = 0.5 + 0.5 * (x * 700.0).sin() * (y * 650.0).sin();
            (branch || across < 0.006)
                .then(|| mix([0.03, 0.08, 0.09], [0.12, 0.22, 0.18], shade * tier))
        },
    )
}

/// A boat with a sail, and its mast.
fn boat(x: f64, y: f64) -> Option<Rgb> {
    let (u, v) = ((x - 0.60) / 0.075, (y - 0.86) / 0.05);
    if (0.0..0.35).contains(&v) && u.abs() < 1.0 - 1.1 * v {
        return Some([0.35, 0.12, 0.10]);
    }
    if (-2.6..0.0).contains(&v) && (u + 0.05).abs() < 0.045 {
        return Some([0.12, 0.08, 0.08]);
    }
    let sail = (-2.5..-0.2).contains(&v) && u > 0.03 && u < 0.03 + 0.36 * (v + 2.5);
    sail.then(|| {
        if ((v + 2.5) * 3.0).fract() < 0.12 { [0.70, 0.55, 0.48] } else { [0.97, 0.92, 0.84] }
    })
}

fn birds(x: f64, y: f64) -> Option<Rgb> {
    [(0.30, 0.30, 0.030), (0.37, 0.255, 0.022), (0.42, 0.31, 0.018), (0.24, 0.235, 0.016)]
        .into_iter()
        .find_map(|(at, height, span)| {
            let u = (x - at) / span;
            let wing = height - 0.35 * span * (1.0 - (2.0 * u.abs() - 1.0).powi(2));
            (u.abs() < 1.0 && (y - wing).abs() < 0.10 * span * (1.3 - u.abs()))
                .then_some([0.10, 0.09, 0.15])
        })
}

fn stars(x: f64, y: f64) -> Option<Rgb> {
    (0..24).find_map(|star| {
        let number = f64::from(star);
        let (at, height) =
            ((0.07 + 0.618_034 * number).fract(), 0.15 * (0.03 + 0.754_878 * number).fract());
        let size = 0.0018 + 0.0014 * (number * 1.9).sin().abs();
        ((x - at).hypot(y - height) < size).then_some([0.93, 0.93, 1.0])
    })
}
