#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "../wire.h"
#include "program.h"
#include "words.h"

namespace {

struct Line {
  std::vector<std::string> texts;
  std::vector<char*> argv;
  launch::Words words;
  bool isPlain;

  explicit Line(std::vector<std::string> given) : texts(std::move(given)) {
    texts.insert(texts.begin(), "memprof-run");
    for (std::string& text : texts) argv.push_back(text.data());
    argv.push_back(nullptr);
    isPlain = launch::parse_words(argv.data(), &words);
  }
};

TEST(LaunchWords, TheFirstWordThatIsNoOptionIsTheProgram) {
  for (const auto& options : std::vector<std::vector<std::string>>{
           {}, {"--"}, {"-q", "-f"}, {"-o", "--quiet"}, {"--events", "none", "--"}, {"--output=x"}}) {
    std::vector<std::string> given = options;
    given.insert(given.end(), {"node", "-q", "--", "app.js"});
    Line line(given);
    ASSERT_TRUE(line.isPlain);
    EXPECT_EQ(line.words.program, line.argv.data() + 1 + options.size());
  }
}

TEST(LaunchWords, WhatIsAskedForIsKept) {
  Line line({"-f", "-o", "a", "--output", "b", "--checkpoint=none", "x"});
  ASSERT_TRUE(line.isPlain);
  EXPECT_TRUE(line.words.isForced);
  EXPECT_STREQ(line.words.output, "b");
  EXPECT_EQ(line.words.sessionFlags, 0u);
  EXPECT_EQ(Line({"x"}).words.sessionFlags, MP_SESSION_CHECKPOINT_EXIT);
  EXPECT_EQ(Line({"--checkpoint", "none", "--checkpoint", "exit", "x"}).words.sessionFlags,
            MP_SESSION_CHECKPOINT_EXIT);
}

TEST(LaunchWords, EverythingElseIsLeftToNode) {
  for (const auto& given : std::vector<std::vector<std::string>>{{},
                                                                 {"--"},
                                                                 {""},
                                                                 {"-o"},
                                                                 {"-o", "a"},
                                                                 {"-oa", "x"},
                                                                 {"-qf", "x"},
                                                                 {"-", "x"},
                                                                 {"--outputs=a", "x"},
                                                                 {"--events", "x"},
                                                                 {"--events=", "x"},
                                                                 {"--checkpoint", "30s", "x"},
                                                                 {"--check", "x"},
                                                                 {"--live", "x"},
                                                                 {"--help"}}) {
    EXPECT_FALSE(Line(given).isPlain);
  }
}

TEST(LaunchWords, AnyWordsAreReadWithinTheirEnd) {
  const char* pieces[] = {"-o",   "--output", "--output=", "--events", "full", "--checkpoint",
                          "none", "--",       "-q",        "",         "x",    "-"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> given(random() % 6);
    for (std::string& word : given) word = pieces[random() % (sizeof(pieces) / sizeof(*pieces))];
    Line line(given);
    if (line.isPlain) {
      EXPECT_NE(*line.words.program, nullptr);
    }
  }
}

std::string own_bytes() {
  FILE* file = fopen("/proc/self/exe", "rb");
  std::string bytes(8192, '\0');
  bytes.resize(fread(bytes.data(), 1, bytes.size(), file));
  fclose(file);
  return bytes;
}

bool is_preloadable(const std::string& bytes) {
  char path[] = "/tmp/memprof-launch-XXXXXX";
  const int file = mkstemp(path);
  EXPECT_EQ(write(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const bool is = launch::is_preloadable(path);
  close(file);
  unlink(path);
  return is;
}

TEST(LaunchProgram, ADynamicProgramOfThisMachineIsPreloadableAndTextIsNot) {
  EXPECT_TRUE(is_preloadable(own_bytes()));
  EXPECT_FALSE(is_preloadable("#!/bin/sh\n"));
  EXPECT_FALSE(is_preloadable(""));
  EXPECT_FALSE(launch::is_preloadable("/"));
  EXPECT_FALSE(launch::is_preloadable("/no/such/file"));
}

TEST(LaunchProgram, AnotherMachineAnotherLoaderAndPrivilegesAreNot) {
  std::string other = own_bytes();
  other[18] = 0x28;
  EXPECT_FALSE(is_preloadable(other));
  std::string loader = own_bytes();
  const size_t at = loader.find("ld-linux");
  ASSERT_NE(at, std::string::npos);
  memcpy(&loader[at], "ld-other", 8);
  EXPECT_FALSE(is_preloadable(loader));
}

TEST(LaunchProgram, DamagedHeadersAreReadToTheEndOfTheFileAtMost) {
  const std::string whole = own_bytes();
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = whole.substr(0, round % 2 == 0 ? whole.size() : random() % 1200);
    for (int change = 0; change < 4 && !damaged.empty(); ++change)
      damaged[random() % std::min<size_t>(damaged.size(), 1024)] = static_cast<char>(random());
    is_preloadable(damaged);
  }
}

TEST(LaunchProgram, AProgramIsFoundAsAShellFindsIt) {
  char path[PATH_MAX];
  ASSERT_TRUE(launch::find_program("sh", path));
  EXPECT_EQ(path[0], '/');
  EXPECT_TRUE(launch::find_program("/bin/sh", path));
  EXPECT_FALSE(launch::find_program("no-such-program", path));
  EXPECT_FALSE(launch::find_program("/etc/passwd", path));
  EXPECT_FALSE(launch::find_program("/tmp", path));
  EXPECT_FALSE(launch::find_program(std::string(PATH_MAX, 'x').c_str(), path));
}

}  // namespace
