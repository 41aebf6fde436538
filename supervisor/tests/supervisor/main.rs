//! The supervisor in a small world of children: OTP's cases, what goes beyond OTP, a naive model, and storms.

mod beyond;
mod model;
mod otp;
mod scale;
mod storm;
mod world;
