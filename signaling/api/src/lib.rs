//! REST resources, one file each: parse, validate, render.
