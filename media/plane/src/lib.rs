//! Sans-IO media core: RTP, RTCP, G.711, telephone events, play, taps, bridges.
