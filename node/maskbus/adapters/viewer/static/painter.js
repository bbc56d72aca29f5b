// A frame, the masks over it, and what was pointed at, on a canvas. Coordinates are pixels of the frame.

const FILL = 0.42;

export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.bitmap = null;
    this.head = null;
    this.shapes = [];
  }

  /** Take a picture: `head` as the server tells it, `bitmap` of the frame. */
  take(head, bitmap) {
    this.bitmap?.close();
    this.bitmap = bitmap;
    this.head = head;
    // A ring joins the centres of pixels.
    this.shapes = (head.masks ?? []).map((mask) => ({ mask, path: outline(mask.rings) }));
  }

  /** Paint anew. `marks` has: clicks, pending (both lists of {point, label}, {box} or {}), drag (a box), cross {x, y}. */
  paint(marks) {
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    if (!this.bitmap) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, 0, 0, width, height);
    this.scale = width / this.head.width;
    context.setTransform(this.scale, 0, 0, height / this.head.height, 0, 0);
    this.paintMasks(ratio);
    for (const one of marks.clicks) this.paintMark(one, ratio, false);
    for (const one of marks.pending) this.paintMark(one, ratio, true);
    if (marks.drag) this.paintBox(marks.drag, ratio, true);
    if (marks.cross) this.paintCross(marks.cross, ratio);
  }

  paintMasks(ratio) {
    const { context } = this;
    const line = (2 * ratio) / this.scale;
    context.lineJoin = "round";
    for (const { mask, path } of this.shapes) {
      context.globalAlpha = FILL;
      context.fillStyle = mask.colour;
      context.fill(path, "evenodd");
      context.globalAlpha = 0.55;
      context.lineWidth = 2 * line;
      context.strokeStyle = "#000";
      context.stroke(path);
      context.globalAlpha = 1;
      context.lineWidth = line;
      context.strokeStyle = mask.colour;
      context.stroke(path);
    }
  }

  paintMark(one, ratio, pending) {
    if (one.box) this.paintBox(one.box, ratio, pending);
    if (!one.point) return; // a command that is no click
    const { context } = this;
    const unit = ratio / this.scale;
    const [x, y] = [one.point[0] + 0.5, one.point[1] + 0.5];
    // A plus and a minus: not told apart by colour alone.
    context.globalAlpha = pending ? 0.6 : 1;
    context.beginPath();
    context.arc(x, y, 7 * unit, 0, 2 * Math.PI);
    context.fillStyle = one.label ? "#0d7a3e" : "#b3121d";
    context.fill();
    context.lineWidth = 2 * unit;
    context.strokeStyle = "#fff";
    context.stroke();
    context.beginPath();
    context.moveTo(x - 3.5 * unit, y);
    context.lineTo(x + 3.5 * unit, y);
    if (one.label) {
      context.moveTo(x, y - 3.5 * unit);
      context.lineTo(x, y + 3.5 * unit);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  paintBox([x0, y0, x1, y1], ratio, pending) {
    const { context } = this;
    const unit = ratio / this.scale;
    for (const [colour, width, dash] of [["#000", 3.5, []], ["#fff", 2, pending ? [7, 5] : []]]) {
      context.lineWidth = width * unit;
      context.strokeStyle = colour;
      context.setLineDash(dash.map((length) => length * unit));
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    context.setLineDash([]);
  }

  paintCross({ x, y }, ratio) {
    const { context } = this;
    const unit = ratio / this.scale;
    for (const [colour, width] of [["#000", 3.5], ["#fff", 1.5]]) {
      context.lineWidth = width * unit;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(0, y + 0.5);
      context.lineTo(this.head.width, y + 0.5);
      context.moveTo(x + 0.5, 0);
      context.lineTo(x + 0.5, this.head.height);
      context.stroke();
    }
  }
}

function outline(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    path.moveTo(ring[0] + 0.5, ring[1] + 0.5);
    for (let i = 2; i < ring.length; i += 2) path.lineTo(ring[i] + 0.5, ring[i + 1] + 0.5);
    path.closePath();
  }
  return path;
}
