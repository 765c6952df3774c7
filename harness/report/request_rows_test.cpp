#include "harness/report/request_rows.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

RequestRecord Full() {
  RequestRecord r = sample::Record("replay", 7, 30);
  r.planned.params.seed = 5;
  r.planned.params.stop = {"<|eot_id|>", "\n"};
  r.planned.metadata.shared_prefix_tokens_est = 512;
  r.planned.arrival_offset_ns = 12'345'678'901;
  r.usage->cached_tokens = 32;
  r.text = "\"quoted\" \\ \u00e9\u4e2d\n";
  r.response_model = "kvtier-ref-nano";
  return r;
}

// The short way reads what the long way reads, of every kind of row.
TEST(RequestRows, TheFastWayReadsWhatTheTypedCodeReads) {
  RequestRowParser parser;
  RequestRecord bare = sample::Record("populate", 1, 50);
  bare.planned.prefix_hash.reset();
  bare.planned.session_id.reset();
  bare.planned.metadata = {};
  bare.chunks.clear();
  bare.header_hints.clear();
  bare.usage.reset();
  bare.stamps = {};
  for (const RequestRecord& r :
       {Full(), bare, sample::Record("thrash", 2, 0, Outcome::kHttpError)}) {
    const std::string line = ToJson(r).dump();
    const auto fast = parser.ParseFast(line);
    ASSERT_TRUE(fast.has_value()) << line;
    EXPECT_EQ(ToJson(*fast), ToJson(r));
    EXPECT_EQ(ToJson(RecordFromJson(json::parse(line))), ToJson(r));
  }
}

// Take away, empty or retype each key in turn: either both ways refuse, or both read the same.
TEST(RequestRows, BothWaysAgreeOnEveryDamagedRow) {
  RequestRowParser parser;
  const json good = ToJson(Full());
  const auto agree = [&](const json& row) {
    const std::string line = row.dump();
    std::string slow, any;
    try {
      slow = ToJson(RecordFromJson(json::parse(line))).dump();
    } catch (const DataError& e) {
      slow = e.what();
    }
    try {
      any = ToJson(parser.Parse(line)).dump();
    } catch (const DataError& e) {
      any = e.what();
    }
    EXPECT_EQ(any, slow);
    if (const auto fast = parser.ParseFast(line)) {
      EXPECT_EQ(ToJson(*fast).dump(), slow) << line;
    }
  };
  int tried = 0;
  const auto damage = [&](const json::json_pointer& at, const std::string& key) {
    json row = good;
    row[at].erase(key);
    agree(row);
    for (const json& value : {json(), json(3), json(-1), json(2.5), json("text"), json(true),
                              json::array(), json::object(), json(std::uint64_t{1} << 63U)}) {
      row[at][key] = value;
      agree(row);
      ++tried;
    }
  };
  for (const auto& [key, value] : good.items()) {
    damage(json::json_pointer(""), key);
    if (!value.is_object()) continue;
    for (const auto& [inner, unused] : value.items()) damage(json::json_pointer("/" + key), inner);
  }
  EXPECT_GT(tried, 500);
}

TEST(RequestRows, ForRulesLeavesOutWhatNoRuleLooksAt) {
  RequestRowParser parser(RowDetail::kForRules);
  const auto row = parser.ParseFast(ToJson(Full()).dump());
  ASSERT_TRUE(row.has_value());
  EXPECT_TRUE(row->chunks.empty());
  EXPECT_TRUE(row->header_hints.empty());
  EXPECT_EQ(row->TtfcMs(), Full().TtfcMs());
  EXPECT_EQ(row->text, Full().text);
  EXPECT_EQ(row->planned.identity.prompt_sha256, Full().planned.identity.prompt_sha256);
}

TEST(RequestRows, LinesOfAnyLengthComeWholeAndInOrder) {
  const fs::path file = sample::Scratch("lines") / "rows";
  // Longer than the pieces in which the file is read, and ending on their edges.
  const std::vector<std::string> lines{std::string(1U << 18U, 'a'), "b",
                                       std::string((1U << 18U) - 4, 'c'), "d",
                                       std::string(3U << 18U, 'e')};
  {
    std::ofstream out(file);
    for (const auto& line : lines) out << line << "\n\n";
    out << "torn";
  }
  std::vector<std::string> seen;
  std::vector<bool> whole;
  EXPECT_EQ(ForEachLine(file,
                        [&](std::string_view line, bool ended) {
                          seen.emplace_back(line);
                          whole.push_back(ended);
                        }),
            6U);
  auto expected = lines;
  expected.emplace_back("torn");
  EXPECT_EQ(seen, expected);
  EXPECT_THAT(whole, ElementsAre(true, true, true, true, true, false));
  EXPECT_THROW(ForEachLine("/no/such/file", [](auto, auto) {}), IoError);
}

TEST(RequestRows, ABadRowIsNamedAndATornLastOneLeftOut) {
  const fs::path file = sample::Scratch("bad_row") / "requests.jsonl";
  const std::string good = ToJson(Full()).dump() + "\n";
  const auto read = [&](const std::string& text) {
    std::ofstream(file) << text;
    int rows = 0;
    ReadRequestRows(file, RowDetail::kForRules, [&](RequestRecord&&) { ++rows; });
    return rows;
  };
  EXPECT_EQ(read(good + good.substr(0, 90)), 1);
  EXPECT_EQ(read(good + good.substr(0, good.size() - 1)), 2) << "only its newline is missing";
  try {
    read(good + "{\n" + good);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr(file.string()));
    EXPECT_THAT(e.what(), HasSubstr("(row 2)"));
  }
}

}  // namespace
}  // namespace kvtier
