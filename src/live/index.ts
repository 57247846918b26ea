// The live view: figures of a program while it runs, as lines of a terminal. What is asked for and answered
// (protocol), sums by site and package between two looks (figures), the view's state and its keys, the picture.
//
// Pure: must not import fs, process, net, clocks, record/, query/ or commands/.
export { Figures, type StackFacts, type Sums } from './figures.js';
export { decodeKeys, type Key } from './keys.js';
export { judgeRequest, type PageAnswer, type PageRequest } from './page-request.js';
export {
  type Amounts,
  type LiveAnswer,
  type LiveRequest,
  type LiveSite,
  liveVersion,
  mostMessageBytes,
  parseAnswer,
  parseRequest,
  type SortBy,
  sorts,
} from './protocol.js';
export { drawScreen, type ScreenSize } from './screen.js';
export { firstState, press, requestOf, type ViewState, withAnswer } from './state.js';
