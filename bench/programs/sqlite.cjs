// sqlite PACKAGES ROWS: inserts, then selects, on a database in memory.
const { join } = require('node:path');
const [, , packages, rows] = process.argv;
const Database = require(join(packages, 'node_modules', 'better-sqlite3'));
const db = new Database(':memory:');
db.exec('create table notes (id integer primary key, title text, body text, stars real)');
db.exec('create index notes_by_title on notes (title)');
const insert = db.prepare('insert into notes (title, body, stars) values (?, ?, ?)');
const insertMany = db.transaction((from, to) => {
  for (let i = from; i < to; i++) insert.run(`note ${(i * 7919) % rows}`, 'word '.repeat(i % 50), i / 3);
});
for (let from = 0; from < rows; from += 1000) insertMany(from, Math.min(from + 1000, rows));
const byTitle = db.prepare('select id, title, body, stars from notes where title = ?');
const between = db.prepare('select title, stars from notes where id between ? and ? order by stars desc');
let seen = 0;
for (let i = 0; i < rows; i++) seen += byTitle.all(`note ${i}`).length;
for (let i = 0; i < rows; i += 100) seen += between.all(i, i + 100).length;
if (seen === 0) throw new Error('nothing was selected');
db.close();
