// XML read by parsers that are not ours.

export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  /** Names of the elements right in it. */
  children: string[];
  /** All text in it. */
  text: string;
  parent: string | null;
}

/** Of saxes, as far as used. */
interface Saxes {
  on(
    event: 'opentag',
    handler: (tag: { name: string; attributes: Record<string, string> }) => void,
  ): void;
  on(event: 'closetag', handler: () => void): void;
  on(event: 'text', handler: (text: string) => void): void;
  on(event: 'error', handler: (error: Error) => void): void;
  write(text: string): Saxes;
  close(): void;
}

export interface XmlParsers {
  saxes: new () => Saxes;
  /** Messages of libxml2; empty: the text is as the schema says. */
  validate(xml: string, schema: string): Promise<string[]>;
}

export function xmlParsers(load: NodeJS.Require): XmlParsers {
  const { SaxesParser } = load('saxes');
  const { validateXML } = load('xmllint-wasm');
  return {
    saxes: SaxesParser,
    async validate(xml, schema) {
      const result = await validateXML({
        xml: [{ fileName: 'junit.xml', contents: xml }],
        schema: [{ fileName: 'junit.xsd', contents: schema }],
      });
      return result.errors.map((one: { message: string }) => one.message);
    },
  };
}

/** Throws where the text is not well-formed. */
export function elements(Parser: XmlParsers['saxes'], text: string): XmlElement[] {
  const parser = new Parser();
  const found: XmlElement[] = [];
  const open: XmlElement[] = [];
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    const parent = open.at(-1);
    parent?.children.push(name);
    const element = { name, attributes, children: [], text: '', parent: parent?.name ?? null };
    found.push(element);
    open.push(element);
  });
  parser.on('closetag', () => open.pop());
  parser.on('text', (piece) => {
    for (const element of open) element.text += piece;
  });
  parser.write(text).close();
  return found;
}
