//! A stencil: the tiles of the example `wave`, each an actor, which send each other their faces.

use super::Ours;
use crate::rounds::{Contender, Error, Record};
use crate::wave::Wave;
use std::time::Instant;
use wave::{Actors, room};

/// Tiles that take steps.
pub struct Tiles<'a> {
    ours: Ours<'a>,
    wave: &'a Wave,
}

impl<'a> Tiles<'a> {
    /// Those of a wave.
    pub fn new(ours: Ours<'a>, wave: &'a Wave) -> Tiles<'a> {
        let ours = ours.with(|config| *config = room(&wave.domain, config.clone()));
        Tiles { ours, wave }
    }

    /// What the table calls it.
    pub fn title(title: &str, wave: &Wave) -> String {
        format!("{title}, cells of a wave of {}^3 stepped", wave.domain.size())
    }
}

impl Contender for Tiles<'_> {
    fn name(&self) -> String {
        Tiles::title(&self.ours.title(), self.wave)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let (name, runtime, wave) = (self.name(), self.ours.runtime, self.wave);
        self.ours.system(|system| {
            let actors = runtime.block_on(Actors::start(wave.domain, system))?;
            let begun = Instant::now();
            runtime.block_on(actors.run(wave.steps))?;
            let took = begun.elapsed();
            wave.stepped(&name, took, &runtime.block_on(actors.cells())?, record)
        })
    }
}
