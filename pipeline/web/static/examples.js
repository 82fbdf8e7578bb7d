// The buttons of the example images. Gradio runs this with `element`, which holds templates/examples.html, and
// `trigger`, which sends an event to Python.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("click", { example_index: button.dataset.index });
});
