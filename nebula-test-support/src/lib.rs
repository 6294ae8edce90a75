//! Real servers, a fault-injecting TCP proxy and measuring helpers for the tests of Nebula
