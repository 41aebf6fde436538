//! The public API, as an application uses it, in one program. What counts a process's own things has a program to itself.

mod answers;
mod between;
mod calls;
mod checkpoints;
mod devices;
mod emits;
mod endings;
mod faults;
mod groups;
mod handles;
mod hosts;
mod kin;
mod losses;
mod messages;
mod ordinary;
mod otp;
mod players;
mod pressure;
mod recoveries;
mod spread;
mod supervision;
mod systems;
mod timers;
mod under_actix;
