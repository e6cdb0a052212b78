//! Pictures in PNG files.

use super::picture::Picture;
use png::{BitDepth, ColorType, Decoder, Encoder, Transformations};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

/// The picture of a PNG file; what is transparent is shown on white.
pub fn load(path: &Path) -> Result<Picture, Box<dyn Error>> {
    let mut decoder = Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("a picture larger than memory")?];
    let frame = reader.next_frame(&mut bytes)?;
    // Grey and alpha, or red, green, blue and alpha.
    let channels = frame.color_type.samples();
    let pixels = bytes[..frame.buffer_size()].chunks_exact(channels).map(|pixel| {
        let value = |channel: usize| f32::from(pixel[channel]) / 255.0;
        let alpha = value(channels - 1);
        let colour = if channels == 2 { [0; 3] } else { [0, 1, 2] };
        colour.map(|channel| alpha * value(channel) + 1.0 - alpha)
    });
    Ok(Picture { width: frame.width, height: frame.height, pixels: pixels.collect() })
}

pub fn save(path: &Path, picture: &Picture) -> Result<(), Box<dyn Error>> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = Encoder::new(file, picture.width, picture.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.write_header()?.write_image_data(&picture.bytes())?;
    Ok(())
}
