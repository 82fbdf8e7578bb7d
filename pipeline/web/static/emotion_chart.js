// The camera's chart of the probabilities over the last minute, as stacked areas like those of emotion_chart.py.
const CHART_WINDOW_S = 60;
const CHART_STEP_S = 0.5; // the frames of each step are averaged
const CHART_MAX_GAP_STEPS = 4; // without a frame, as on a slow connection, which are drawn like the one before
const CHART_WIDTH = 320, CHART_HEIGHT = 96; // units of the drawing
const CHART_MIN_PROBABILITY = 0.005; // an emotion that never reaches it is not drawn

function createEmotionChart(svg, colors) {
  const paths = colors.map((color) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("fill", color);
    svg.append(path);
    return path;
  });
  let steps = []; // { index, count, sums }, in order of time; without a step where no face was seen
  let drawnIndex = -1;

  function draw(lastIndex) {
    const firstIndex = Math.max(0, lastIndex - CHART_WINDOW_S / CHART_STEP_S);
    const toX = (index) => ((index - firstIndex) * CHART_STEP_S * CHART_WIDTH) / CHART_WINDOW_S;
    paths.forEach((path, emotion) => {
      let outlines = "";
      for (const [position, step] of steps.entries()) {
        const shares = step.sums.map((sum) => sum / step.count);
        const below = shares.slice(0, emotion).reduce((total, share) => total + share, 0);
        if (shares[emotion] < CHART_MIN_PROBABILITY) continue;
        const top = CHART_HEIGHT * (1 - below - shares[emotion]), height = CHART_HEIGHT * shares[emotion];
        const next = steps[position + 1], isNear = next && next.index - step.index <= CHART_MAX_GAP_STEPS;
        const left = toX(step.index);
        const width = toX(isNear ? next.index : step.index + 1) - left + 0.2; // so that no line is between the steps
        outlines += `M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${-width.toFixed(1)}z`;
      }
      path.setAttribute("d", outlines);
    });
  }

  return {
    add(seconds, probabilities) {
      const index = Math.floor(seconds / CHART_STEP_S);
      let step = steps[steps.length - 1];
      if (!step || step.index !== index) {
        steps = steps.filter((old) => old.index > index - CHART_WINDOW_S / CHART_STEP_S);
        step = { index, count: 0, sums: colors.map(() => 0) };
        steps.push(step);
      }
      step.count += 1;
      probabilities.forEach((probability, emotion) => { step.sums[emotion] += probability; });
      if (index !== drawnIndex) draw(drawnIndex = index);
    },
    clear() {
      steps = [];
      drawnIndex = -1;
      draw(0);
    },
  };
}
