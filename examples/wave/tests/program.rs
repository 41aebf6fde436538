//! The program as its user runs it, on the CPU device.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Output};

const EQUAL: &str = "equal to the CPU's, bit for bit";

fn wave(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wave")).args(["--device", "cpu"]).args(args).output().unwrap()
}

/// What a run that must succeed says.
fn said(args: &[&str]) -> String {
    let output = wave(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line == EQUAL), "{text}");
    text
}

/// What a run that must fail says.
fn told(args: &[&str], code: i32) -> String {
    let output = wave(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

struct Picture {
    size: (u32, u32),
    pixels: Vec<u8>,
}

impl Picture {
    fn read(path: &PathBuf) -> Picture {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Picture { size: (info.width, info.height), pixels }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.size.0 as usize + x) * 3;
        self.pixels[at..at + 3].try_into().unwrap()
    }
}

/// Several tiles, one that is beside itself, and one that is beside nobody.
#[test]
fn every_cell_is_the_cpus() {
    for walls in ["fixed", "periodic"] {
        for source in ["gaussian", "point"] {
            for size in ["8", "16", "24"] {
                let text = said(&["--size", size, "--steps", "30", "--walls", walls, "--source", source]);
                assert!(text.contains("30 steps"), "{text}");
            }
        }
    }
}

#[test]
fn however_few_shards_there_are() {
    for shards in ["1", "2", "3"] {
        said(&["--size", "32", "--steps", "12", "--walls", "periodic", "--shards", shards]);
    }
    assert!(said(&["--size", "16", "--steps", "0"]).contains("4,096 cells in 8 tiles"));
}

#[test]
fn pictures_are_taken_on_the_way() {
    let folder = folder("pictures/of/a/point");
    let path = folder.to_str().unwrap();
    said(&["--size", "16", "--steps", "7", "--source", "point", "--picture", path, "--every", "3"]);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["wave-000000.png", "wave-000003.png", "wave-000006.png"]);
    let pictures: Vec<_> = names.iter().map(|name| Picture::read(&folder.join(name))).collect();
    assert!(pictures.iter().all(|picture| picture.size == (64, 64)));
    // The point is cell 5, 6 of the layer in the middle, and a cell has four pixels along its edge.
    assert_eq!(pictures[0].at(5 * 4, 6 * 4), [255, 0, 0]);
    assert_eq!(pictures[0].pixels.iter().filter(|byte| **byte == 0).count(), 2 * 16, "nothing else is there at first");
    assert!(pictures[1].at(5 * 4, 8 * 4) != [255, 255, 255], "two cells away something moves after three steps");
    assert_eq!(pictures[1].at(5 * 4, 10 * 4), [255, 255, 255], "and four cells away nothing yet");
}

#[test]
fn options_that_make_no_sense_are_told() {
    for size in ["0", "12", "264", "-8", "much"] {
        let text = told(&[&format!("--size={size}")], 2);
        assert!(text.contains("give a multiple of 8 from 8 to 256, as 64"), "{text}");
    }
    told(&["--every", "3"], 2);
    told(&["--picture", "pictures", "--every", "0"], 2);
    let file = folder("a-file");
    fs::write(&file, "").unwrap();
    let text = told(&["--size", "8", "--picture", file.to_str().unwrap()], 1);
    assert!(text.contains("give another folder to --picture"), "{text}");
}
