// Light and dark: as the system has it until the reader chooses.

export type Theme = 'light' | 'dark';

const key = 'memprof-theme';

const systemTheme = (): Theme =>
  matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';

/** style/theme.css goes by the first of the two. */
const show = (theme: Theme): void => {
  document.documentElement.dataset['theme'] = theme;
};
const chosen = (): Theme | null => {
  const theme = document.documentElement.dataset['chosenTheme'];
  return theme === 'dark' || theme === 'light' ? theme : null;
};

/** What is chosen, else what the system has now. */
export function currentTheme(): Theme {
  const theme = chosen() ?? systemTheme();
  show(theme);
  return theme;
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset['chosenTheme'] = theme;
  show(theme);
  try {
    localStorage.setItem(key, theme);
  } catch {
    // A browser that keeps nothing for files: the choice lasts as long as the page.
  }
}

export function startTheme(): void {
  try {
    const kept = localStorage.getItem(key);
    if (kept === 'dark' || kept === 'light') document.documentElement.dataset['chosenTheme'] = kept;
  } catch {
    // As above: then the system's.
  }
  currentTheme();
}

/** A colour of style/theme.css, for canvas. */
export function cssColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
