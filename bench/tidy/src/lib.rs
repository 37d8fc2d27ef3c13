//! Tests over the tree: layers, banned items.
