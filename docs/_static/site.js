// What scrolls must be reachable by keyboard, and say what it is; what fits must not be a stop on the way.
// Observed, since a block in a closed tab has no size yet.
const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", target.tagName === "PRE" ? "Code, scrolls sideways" : "Table, scrolls sideways");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
    }
  }
});
for (const block of document.querySelectorAll("pre, .table-wrapper")) observer.observe(block);

// Two landmarks of one kind need names, and a summary's name is what it says.
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Site");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
for (const summary of document.querySelectorAll("details.hide > summary")) summary.removeAttribute("aria-label");
