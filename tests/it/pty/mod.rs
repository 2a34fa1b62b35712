//! The real binary on a real pseudo-terminal: whatever ends it, the terminal is as it was.
//!
//! The traps of this stack, and what holds each of them shut:
//!
//! | trap | test |
//! |---|---|
//! | no synchronized update; a frame in eleven pieces | `life::frames_are_whole_and_nothing_else_is_written`, `tui::terminal` `a_frame_is_one_write` |
//! | `NO_COLOR` takes bold and reverse too | `life::no_color_leaves_colours_out_and_the_selection_in` |
//! | an unbracketed paste stalls at 20 KB | `life::a_large_paste_is_text_bracketed_or_not`, `life::a_paste_into_the_list_is_left_out` |
//! | a bracketed paste whose end never comes hangs, or comes late | `life::a_paste_without_its_end_does_not_hang_it`, `life::a_paste_that_pauses_is_still_one`, `tui::input` `a_long_paste_comes_in_pieces_of_whole_characters` |
//! | a hang-up lets the reader spin; 0×0 | `life::a_lost_line_ends_it`, `life::signals_that_end_it_leave_the_terminal_as_it_was`, `life::a_terminal_of_no_size_is_one_that_is_gone` |
//! | asking for the background is typed over SSH | `life::frames_are_whole_and_nothing_else_is_written` |
//! | timers that redraw | `line::nothing_is_written_while_nothing_changes`, `cockpit::idle` |
//! | a panic, ctrl-z and fg, storms of resizes | `life::a_panic_gives_the_terminal_back_before_it_speaks`, `life::ctrl_z_goes_back_to_the_shell_and_fg_returns`, `life::ctrl_z_without_a_shell_says_so_and_the_cockpit_stays`, `life::a_storm_of_resizes_ends_with_the_last_size` |
//! | a million ids | `import::a_bracketed_paste_is_checked_applied_and_undone`, `import::what_was_typed_or_applied_survives_a_cockpit_that_is_killed` |
//! | a line that is slow or stands still | `line::keys_are_answered_while_the_line_stands_still` and its neighbours |
//! | Esc and a key in one piece | `line::keys_are_answered_while_the_line_stands_still` |

mod demo;
mod editing;
mod exports;
mod import;
mod life;
mod line;
mod objects;
mod preferences;
mod server;
mod terminal;
