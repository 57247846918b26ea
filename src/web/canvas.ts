// Canvas, where the browser has it.

/** null: this browser does not draw on canvas. */
export function canvasContext(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  try {
    return canvas.getContext('2d');
  } catch {
    return null;
  }
}

export function hasCanvas(): boolean {
  return canvasContext(document.createElement('canvas')) !== null;
}

export const noCanvasText =
  'This browser does not draw on canvas, so there is no picture here. The table of sites has the same numbers.';
