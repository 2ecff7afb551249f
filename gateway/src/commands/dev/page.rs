//! The page of `gateway dev`: what a frontend does with a gateway, to look at and to copy.

use gateway::api::Page;

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/", $name))
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file of it.
pub(super) const PAGES: &[Page] = &[
    Page {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: text!("index.html"),
    },
    Page {
        path: "/page/style.css",
        content_type: "text/css; charset=utf-8",
        text: text!("style.css"),
    },
    Page {
        path: "/page/page.js",
        content_type: SCRIPT,
        text: text!("page.js"),
    },
    Page {
        path: "/page/gateway.js",
        content_type: SCRIPT,
        text: text!("gateway.js"),
    },
    Page {
        path: "/page/player.js",
        content_type: SCRIPT,
        text: text!("player.js"),
    },
];
