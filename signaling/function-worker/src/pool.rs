//! The slots of a worker: threads, made as the queue needs them. Shell.

use std::sync::Arc;
use std::thread;

use crate::common::Shared;
use crate::queue::Queue;
use crate::slot;

/// Address space of a slot's stack, bytes. The engine's own bound is below it.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// Starts the first slot, which loads the library before anything is to be done, and the thread that makes more.
/// Without memory for a thread the slots that there are go on.
pub(crate) fn start(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    queue.count_slot();
    start_slot(shared, queue);
    let (shared, queue) = (Arc::clone(shared), Arc::clone(queue));
    let maker = thread::Builder::new().stack_size(STACK_BYTES);
    let _ = maker.spawn(move || {
        loop {
            queue.wait_for_need();
            start_slot(&shared, &queue);
        }
    });
}

fn start_slot(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    let (of_slot, its_queue) = (Arc::clone(shared), Arc::clone(queue));
    let builder = thread::Builder::new().name("slot".to_owned()).stack_size(STACK_BYTES);
    if builder.spawn(move || slot::run(&its_queue, &of_slot)).is_err() {
        queue.lose_slot();
    }
}
