//! What the fuzz targets do with their input, and an ordinary test with the corpus that is kept.

use resident_checkpoint::{Checkpoint, Compression, Contents, Delta, FileError, Refused};

use crate::forge::{build, seal};
use crate::samples;

/// Parses a file that should hold a checkpoint, and once more with the digest that it should have named.
pub fn full(input: &[u8]) {
    let mut file = build(input);
    let mut read = Contents::decode(file.clone().into());
    if let Err(FileError::Corrupt { offset: 32, what }) = &read
        && what.starts_with("the file should hold")
    {
        // It was right but for the last of all checks.
        let digest = what.rsplit(' ').next().unwrap();
        let digits = |at: usize| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap();
        (0..32).for_each(|at| file[32 + at] = digits(at));
        seal(&mut file);
        read = Contents::decode(file.into());
        assert!(read.is_ok(), "with its own digest it is refused: {read:?}");
    }
    if let Ok(Contents::Full(checkpoint)) = read {
        look(&checkpoint);
        for compression in [Compression::None, Compression::Lz4] {
            let again = Checkpoint::decode(checkpoint.encode(compression).unwrap().to_bytes()).unwrap();
            assert_eq!((again.digest(), again.parts()), (checkpoint.digest(), checkpoint.parts()));
        }
    }
}

/// Parses a file that should hold a delta, and tries it on a checkpoint that it is hardly for.
pub fn delta(input: &[u8]) {
    if let Ok(Contents::Delta(delta)) = Contents::decode(build(input).into()) {
        let again = Delta::decode(delta.encode(Compression::Lz4).unwrap().to_bytes()).unwrap();
        assert_eq!((again.changed(), again.removed(), again.pages()), (delta.changed(), delta.removed(), delta.pages()));
        assert!(delta.base() == samples::checkpoint().digest() || Checkpoint::apply(&samples::checkpoint(), &delta).is_err());
    }
}

/// Applies a delta to a checkpoint that it says it is for, and once more with what it says comes of it.
pub fn apply(input: &[u8]) {
    let base = samples::checkpoint();
    let mut file = build(input);
    if file.len() < 256 || file[12] != 2 {
        return;
    }
    file[64..96].copy_from_slice(&base.digest().0);
    seal(&mut file);
    let Ok(delta) = Delta::decode(file.clone().into()) else { return };
    let made = match Checkpoint::apply(&base, &delta) {
        Ok(made) => made,
        Err(Refused::Result { made, .. }) => {
            file[32..64].copy_from_slice(&made.0);
            seal(&mut file);
            Checkpoint::apply(&base, &Delta::decode(file.into()).unwrap()).unwrap()
        }
        Err(_) => return,
    };
    look(&made);
    let back = Checkpoint::apply(&made, &Checkpoint::delta_from(&made, &base)).unwrap();
    assert_eq!(back.parts(), base.parts(), "there and back");
}

/// Asks for everything there is.
fn look(checkpoint: &Checkpoint) {
    for actor in checkpoint.actors() {
        assert_eq!(checkpoint.state(actor).len(), checkpoint.kind_of(actor).state_bytes as usize);
        assert_eq!(checkpoint.actor(actor.key), Some(actor));
        if let Some(name) = &actor.name {
            assert_eq!(checkpoint.named(name), Some(actor));
        }
    }
    assert_eq!(Checkpoint::new(checkpoint.parts()).unwrap().digest(), checkpoint.digest());
}
