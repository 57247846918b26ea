// What the thread of live pages runs: commands/live-pages.ts starts it.
import { serveLivePages } from '../commands/live-pages-thread.js';

serveLivePages();
