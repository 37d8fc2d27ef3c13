//! End-to-end tests: the real binary, real clients, real sockets on loopback and free ports.
//!
//! `make test` installs the clients (see bench/clients). Each test has a gateway, a data folder and
//! an application of its own, and ends everything it started.

mod application;
mod gateway;
mod kamailio;
mod load;
mod metrics;
mod missing_callee;
mod name_server;
mod phone;
mod program;
mod proxy;
mod rest;
mod rtp;
mod sdk;
mod sipp;
mod wait;
mod wav;

mod applications;
mod baresip;
mod browsers;
mod connections;
mod conservation;
mod coverage;
mod demo;
mod dial;
mod digits;
mod durability;
mod edges;
mod explain;
mod extensions;
mod floods;
mod full_disk;
mod glare;
mod impairment;
mod inbound;
mod linphone;
mod loops;
mod media_changes;
mod media_cores;
mod media_memory;
mod media_peers;
mod outbound;
mod phone_media;
mod phone_register;
mod phones;
mod quiet_core;
mod registrar;
mod replaces;
mod rest_in_webhook;
mod rest_resources;
mod returning;
mod scanners;
mod secure_media;
mod sip_edges;
mod slope;
mod soak;
mod startup;
mod tls;
mod tls_failures;
mod transfers;
mod trunks;
mod webhooks;
mod zone;
