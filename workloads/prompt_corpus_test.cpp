#include "workloads/prompt_corpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"

namespace kvtier {
namespace {

TEST(PromptCorpus, SizesAreNumbersOrThousandsOf1024) {
  EXPECT_EQ(ParseCorpusSize("1k"), 1024);
  EXPECT_EQ(ParseCorpusSize("64K"), 65536);
  EXPECT_EQ(ParseCorpusSize("64000"), 64000);
  for (const char* wrong :
       {"", "k", "63", "-128", "1.5k", "4kb", "2000001", "1954k", "99999999999k"})
    EXPECT_THROW(ParseCorpusSize(wrong), ConfigError) << wrong;
}

TEST(PromptCorpus, EachTextHasItsSizeAndStandsAlone) {
  const TokenCounter bytes = TokenCounter::ByteLevel();
  const auto all = MakeCorpus(CorpusSizes(), 42, bytes);
  ASSERT_EQ(all.size(), 15U);
  for (const CorpusFile& file : all) EXPECT_EQ(bytes.Count(file.text), file.tokens) << file.name;
  EXPECT_EQ(MakeCorpus({4096}, 42, bytes)[0].text, all[6].text);
  EXPECT_NE(MakeCorpus({4096}, 43, bytes)[0].text, all[6].text);
  // The same bytes on every machine and compiler.
  EXPECT_EQ(all[0].sha256, "d2693e5a3601a23fce75aa1217c6d53e61c2a4b62c7d965462968c9395f8a179");
  EXPECT_EQ(all[14].sha256, "92a6c01149591ad3dea445904badd19ac3edd233d19963b8ad10b3c7e3a3e772");
}

TEST(PromptCorpus, AnEstimateIsNeverOverTheSize) {
  const TokenCounter words = TokenCounter::Heuristic();
  for (const CorpusFile& file : MakeCorpus({128, 1024, 8192}, 1, words)) {
    EXPECT_EQ(file.tokens_est, words.Count(file.text));
    EXPECT_LE(file.tokens_est, file.tokens);
    EXPECT_GE(file.tokens_est, file.tokens - 8);
  }
}

TEST(PromptCorpus, TheManifestNamesWhatLiesBesideIt) {
  const TempDir folder;
  const TokenCounter bytes = TokenCounter::ByteLevel();
  WriteCorpus(folder.path(), MakeCorpus({128, 256}, 7, bytes), 7, bytes);
  const auto manifest = ReadJson(folder.path() / "prompt_corpus.json");
  EXPECT_EQ(manifest["seed"], 7);
  EXPECT_EQ(manifest["counter"], "byte_level");
  ASSERT_EQ(manifest["prompts"].size(), 2U);
  for (const auto& row : manifest["prompts"]) {
    const std::string text = ReadFile(folder.path() / row["file"].get<std::string>());
    EXPECT_EQ(Sha256Hex(text), row["sha256"]);
    EXPECT_EQ(text.size(), row["bytes"]);
  }
}

}  // namespace
}  // namespace kvtier
