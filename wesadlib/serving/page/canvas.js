// What both charts need: a canvas as sharp as the screen, the page's own colours, and steps for an axis of time.

const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];

// Clears a canvas and returns a context in CSS pixels with the size to draw in.
export function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  return { context, width, height };
}

// A colour of the page, by its name in page.css; it is another in the dark.
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function stateColor(state) {
  return color(`state-${state}`) || color("muted");
}

// Times for the marks of an axis from `fromS` to `toS`, at most so many.
export function marks(fromS, toS, most) {
  const step = STEPS_S.find((candidate) => (toS - fromS) / candidate <= most) ?? STEPS_S.at(-1);
  const found = [];
  for (let time = Math.ceil(fromS / step) * step; time <= toS + 1e-6; time += step) found.push(time);
  return found;
}

// Fills a rectangle with thin slanting lines.
export function hatch(context, x, y, width, height, stroke) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  for (let at = Math.floor((x - height) / 4) * 4; at < x + width; at += 4) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.strokeStyle = stroke;
  context.lineWidth = 1;
  context.stroke();
  context.restore();
}
