/* Runs in browsers that are too old for modules, and so for the rest of the page. */
document.body.textContent = "This browser is too old: chatcli needs Chrome 137, Firefox 129, Safari 17, or newer.";
