//! Media core shells: io_uring and portable backends, placement, rings.
