//! The text of every screen.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test --test it screens`, then look at the diff.

use super::worlds::worlds;

const SIZES: [(u16, u16); 5] = [(200, 50), (120, 40), (80, 24), (60, 15), (40, 10)];

#[test]
fn every_screen_at_five_sizes() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for (name, mut world) in worlds() {
        let mut all = String::new();
        for (width, height) in SIZES {
            // The first frame tells how much can be scrolled; what stays is the second.
            world.screen(width, height);
            let screen = world.screen(width, height);
            all.push_str(&format!("{width}x{height}\n{screen}\n"));
        }
        insta::assert_snapshot!(name, all);
    }
}
