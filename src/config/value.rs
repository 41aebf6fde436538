//! Values as texts: what a setting of a file or a variable takes, and how it is printed, which is the same text.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use resident_gpu::device::{Choice, Isolation};

use crate::config::{DeviceOptions, Wait};

/// A value that is a text, too.
pub(super) trait Value: Sized {
    /// Reads it, or says what it takes.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes it so that it is read as the same.
    fn write(&self) -> String;
}

/// A number that counts bytes, as `256 MiB`.
pub(super) struct Bytes(pub u64);

fn one_of<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let names = || all.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
    all.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| format!("it takes {}", names().join(" or ")))
}

fn name_of<T: Copy + PartialEq>(value: T, all: &[(&'static str, T)]) -> String {
    all.iter().find(|(_, other)| *other == value).map_or("", |(name, _)| *name).into()
}

fn number<T: TryFrom<u64>>(text: &str, largest: u64) -> Result<T, String> {
    let too_large = || format!("it is {largest} at most");
    let digits = text.replace('_', "");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("it takes a whole number".into());
    }
    digits.parse::<u64>().ok().and_then(|number| number.try_into().ok()).ok_or_else(too_large)
}

/// The number before a unit, and what the unit makes of one.
fn measured<'u>(text: &str, units: &'u [(&'u str, u64)]) -> Option<(f64, u64)> {
    let ends = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '_').unwrap_or(text.len());
    let (number, unit) = (text[..ends].replace('_', ""), text[ends..].trim());
    let of_one = units.iter().find(|(name, _)| *name == unit)?.1;
    Some((number.parse().ok()?, of_one))
}

/// A number in the largest unit that it is whole numbers of.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let (name, of_one) = units.iter().rfind(|(_, of_one)| number.is_multiple_of(*of_one)).unwrap_or(&units[0]);
    format!("{} {name}", number / of_one)
}

const DURATIONS: [(&str, u64); 5] = [("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000)];
const SIZES: [(&str, u64); 5] = [("bytes", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Duration::ZERO);
        }
        let nanos = measured(text, &DURATIONS).map(|(number, of_one)| number * of_one as f64);
        let nanos = nanos.ok_or("it takes a duration with its unit, such as `20 us`, `1.5 s` or `2 min`")?;
        // Beyond this are years.
        if nanos < 1e18 { Ok(Duration::from_nanos(nanos.round() as u64)) } else { Err("it is a year at most".into()) }
    }

    fn write(&self) -> String {
        match u64::try_from(self.as_nanos()) {
            Ok(0) => "0".into(),
            Ok(nanos) => in_units(nanos, &DURATIONS),
            Err(_) => format!("{} s", self.as_secs()),
        }
    }
}

impl Value for Bytes {
    fn read(text: &str) -> Result<Self, String> {
        if let Ok(bytes) = number(text, u64::MAX) {
            return Ok(Bytes(bytes));
        }
        let bytes = measured(text, &SIZES).map(|(number, of_one)| number * of_one as f64);
        let bytes = bytes.ok_or("it takes bytes, such as `65536`, `64 KiB` or `1.5 GiB`")?;
        if bytes < 2_f64.powi(63) { Ok(Bytes(bytes.round() as u64)) } else { Err("it is 2^63 bytes at most".into()) }
    }

    fn write(&self) -> String {
        if self.0 == 0 { "0".into() } else { in_units(self.0, &SIZES) }
    }
}

impl Value for u32 {
    fn read(text: &str) -> Result<Self, String> {
        number(text, u32::MAX.into())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    fn read(text: &str) -> Result<Self, String> {
        number(text, usize::MAX as u64)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &[("true", true), ("false", false)])
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// As many as suit: nothing is said.
const AUTO: &str = "auto";

impl Value for Option<u32> {
    fn read(text: &str) -> Result<Self, String> {
        if text == AUTO { Ok(None) } else { u32::read(text).map(Some).map_err(|why| format!("{why}, or `{AUTO}`")) }
    }

    fn write(&self) -> String {
        self.map_or(AUTO.into(), |number| number.to_string())
    }
}

/// An empty text is none.
impl Value for Option<Arc<str>> {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(text).filter(|text| !text.is_empty()).map(Arc::from))
    }

    fn write(&self) -> String {
        self.as_deref().unwrap_or_default().into()
    }
}

/// An empty text is none.
impl Value for Option<PathBuf> {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    fn write(&self) -> String {
        self.as_ref().map_or(String::new(), |path| path.display().to_string())
    }
}

/// Devices, with commas between them.
impl Value for Vec<DeviceOptions> {
    fn read(text: &str) -> Result<Self, String> {
        text.split(',').map(|device| DeviceOptions::read(device.trim())).collect()
    }

    fn write(&self) -> String {
        self.iter().map(DeviceOptions::write).collect::<Vec<_>>().join(", ")
    }
}

/// A device; behind a slash the shards that are its own.
impl Value for DeviceOptions {
    fn read(text: &str) -> Result<Self, String> {
        const TAKES: &str = "it takes `all`, `auto`, or some of `cpu` and `cuda:0` with the GPU's number, as `cuda:0, cpu/4`";
        let (device, shards) = match text.split_once('/') {
            Some((device, shards)) => (device, Some(u32::read(shards).map_err(|why| format!("{why} of shards behind the slash"))?)),
            None => (text, None),
        };
        let device = match device {
            "all" => None,
            "auto" => Some(Choice::Auto),
            "cpu" => Some(Choice::Cpu),
            text => {
                let ordinal = text.strip_prefix("cuda:").and_then(|ordinal| u32::read(ordinal).ok());
                Some(ordinal.map(Choice::Cuda).ok_or(TAKES)?)
            }
        };
        Ok(DeviceOptions { device, shards })
    }

    fn write(&self) -> String {
        let device = match self.device {
            None => "all".into(),
            Some(Choice::Auto) => "auto".into(),
            Some(Choice::Cpu) => "cpu".into(),
            Some(Choice::Cuda(ordinal)) => format!("cuda:{ordinal}"),
        };
        self.shards.map_or(device.clone(), |shards| format!("{device}/{shards}"))
    }
}

const ISOLATIONS: [(&str, Isolation); 2] = [("process", Isolation::Process), ("thread", Isolation::Thread)];

impl Value for Isolation {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &ISOLATIONS)
    }

    fn write(&self) -> String {
        name_of(*self, &ISOLATIONS)
    }
}

const WAITS: [(&str, Wait); 3] = [("spin", Wait::Spin), ("yield", Wait::Yield), ("park", Wait::Park)];

impl Value for Wait {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &WAITS)
    }

    fn write(&self) -> String {
        name_of(*self, &WAITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        let nanos = |text: &str| Duration::read(text).map(|duration| duration.as_nanos());
        assert_eq!(
            [nanos("0"), nanos("20 us"), nanos("1.5s"), nanos("2 min")],
            [Ok(0), Ok(20_000), Ok(1_500_000_000), Ok(120_000_000_000)]
        );
        for bad in ["20", "us", "", "-1 s", "1 h", "1..5 s", "1 year", "s 1"] {
            assert!(nanos(bad).unwrap_err().contains("`20 us`"), "{bad}");
        }
        assert_eq!(nanos("99999999999 s").unwrap_err(), "it is a year at most");
        assert_eq!([20_000, 1_500_000_000, 60_000_000_000].map(|nanos| Duration::from_nanos(nanos).write()), ["20 us", "1500 ms", "1 min"]);
        let bytes = |text: &str| Bytes::read(text).map(|bytes| bytes.0);
        assert_eq!(
            [bytes("0"), bytes("268_435_456"), bytes("256 MiB"), bytes("1.5GiB")],
            [Ok(0), Ok(256 << 20), Ok(256 << 20), Ok(3 << 29)]
        );
        for bad in ["256 MB", "", "-1", "MiB", "1 2 KiB"] {
            assert!(bytes(bad).unwrap_err().contains("`64 KiB`"), "{bad}");
        }
        assert_eq!(bytes("99999999 TiB").unwrap_err(), "it is 2^63 bytes at most");
        assert_eq!([0, 1, 1536, 256 << 20].map(|bytes| Bytes(bytes).write()), ["0", "1 bytes", "1536 bytes", "256 MiB"]);
    }

    #[test]
    fn numbers_and_words() {
        assert_eq!([u32::read("8_192"), u32::read("0")], [Ok(8192), Ok(0)]);
        assert_eq!(u32::read("4294967296").unwrap_err(), "it is 4294967295 at most");
        assert_eq!(u32::read("99999999999999999999").unwrap_err(), "it is 4294967295 at most");
        assert!(["", "-1", "1.5", "many"].into_iter().all(|bad| u32::read(bad).unwrap_err() == "it takes a whole number"));
        let devices = <Vec<DeviceOptions>>::read;
        assert_eq!(devices("all"), Ok(vec![DeviceOptions::default()]));
        let some = vec![DeviceOptions::cuda(3), DeviceOptions { shards: Some(2), ..DeviceOptions::cpu() }];
        assert_eq!((devices("cuda:3,cpu/2"), some.write()), (Ok(some), "cuda:3, cpu/2".into()));
        assert!(["cuda", "cuda:", "cuda:x", "gpu", "", "cpu,", "cpu/", "cpu/x"].into_iter().all(|bad| devices(bad).is_err()));
        assert_eq!(Wait::read("sleep").unwrap_err(), "it takes `spin` or `yield` or `park`");
        assert_eq!(bool::read("yes").unwrap_err(), "it takes `true` or `false`");
        assert_eq!(<Option<u32>>::read("some").unwrap_err(), "it takes a whole number, or `auto`");
    }
}
