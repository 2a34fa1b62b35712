//! What goes over the wire: requests, answers, problem codes. Shared by server and client.
