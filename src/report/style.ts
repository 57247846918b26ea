// Colours as functions, so that a renderer never asks whether there are any. Must not import process.
import { styleText } from 'node:util';

type Paint = (text: string) => string;

export interface Style {
  heading: Paint;
  strong: Paint;
  faint: Paint;
  warning: Paint;
  bytes: Paint;
  js: Paint;
  command: Paint;
}

const same: Paint = (text) => text;

export const plainStyle: Style = {
  heading: same,
  strong: same,
  faint: same,
  warning: same,
  bytes: same,
  js: same,
  command: same,
};

// The caller has decided that the stream takes colours.
const paint =
  (format: Parameters<typeof styleText>[0]): Paint =>
  (text) =>
    text === '' ? '' : styleText(format, text, { validateStream: false });

export const colourStyle: Style = {
  heading: paint('bold'),
  strong: paint('bold'),
  faint: paint('dim'),
  warning: paint('yellow'),
  bytes: paint('cyan'),
  js: paint('green'),
  command: paint('bold'),
};
