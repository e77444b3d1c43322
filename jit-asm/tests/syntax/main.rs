//! The syntax from outside: what is wrong with a template and where, and what no tokens may do to it.

mod advice;
mod fuzz;
mod mistakes;
mod soup;
