//! Results counted by the real engine, always as the user that may only read.

mod cookie_cats;
mod filters;
mod model;
mod overview;
mod panels;
mod series;
mod subjects;
mod world;
