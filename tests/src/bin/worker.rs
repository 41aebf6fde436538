//! A worker as a program of its own: it links what the application links, and takes over before this `main`.

use {resident as _, resident_test_actors as _};

fn main() {
    println!("this program is started by an application that names it in `Config::worker`");
}
