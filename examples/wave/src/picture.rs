//! A layer as a picture: red above zero, blue below, white where nothing moves.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use png::{BitDepth, ColorType, Encoder};

/// Pixels along the edge of a cell.
pub const PIXELS: usize = 4;

/// Writes a layer of `size` cells along each edge, the first row on top. Its largest value has the full colour.
pub fn write(path: &Path, layer: &[f32], size: usize) -> anyhow::Result<()> {
    let wide = size * PIXELS;
    let most = layer.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let mut pixels = Vec::with_capacity(wide * wide * 3);
    for row in layer.chunks(size) {
        let line: Vec<u8> = row.iter().flat_map(|value| colour(value / most).repeat(PIXELS)).collect();
        (0..PIXELS).for_each(|_| pixels.extend_from_slice(&line));
    }
    let write = || -> anyhow::Result<()> {
        let mut encoder = Encoder::new(BufWriter::new(File::create(path)?), wide as u32, wide as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        Ok(writer.finish()?)
    };
    write().with_context(|| format!("can not write `{}`; give a folder that can be written to --picture", path.display()))
}

/// Of a value from -1 to 1.
fn colour(value: f32) -> [u8; 3] {
    let pale = (255.0 * (1.0 - value.abs())) as u8;
    if value < 0.0 { [pale, pale, 255] } else { [255, pale, pale] }
}
