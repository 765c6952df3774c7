// The list of planted lies (docs/planted_lies.md): each is planted on disk in the bundle of one leg
// of a good experiment, as a stack that lies or a machine that fails would have left it, and the
// whole analysis from disk must end in its reason code and in no grade.
#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/stored_experiment.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr std::uint64_t kBytes = test::kReplayBlocks * test::kBlockBytes;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

enum class Where { kAnyLeg, kB1, kB2 };
enum class Ending { kInvalid, kNotDecisionGrade };

/// The files of one closed leg, to be changed.
class Bundle {
 public:
  explicit Bundle(fs::path dir) : dir_(std::move(dir)) {}

  void Edit(const std::string& name, const std::function<void(json&)>& change) const {
    json j = ReadJson(dir_ / name);
    change(j);
    std::ofstream(dir_ / name) << j.dump(2) << "\n";
  }
  void Phase(const std::string& phase, const std::function<void(json&)>& change) const {
    Edit("phase_deltas/phase_" + phase + "_evidence.json", change);
  }
  /// What the worker says of itself, in both places.
  void Worker(const std::string& key, const json& value) const {
    Edit("worker_readback.json", [&](json& j) { j[key] = value; });
    Edit("summary.json", [&](json& j) { j["leg"]["worker"][key] = value; });
  }
  /// Every row of a file of rows; `n` counts within the phase of a request.
  void Rows(const std::string& name, const std::function<void(json& row, int n)>& change) const {
    std::map<std::string, int> seen;
    const std::vector<json> rows = ReadJsonl(dir_ / name);
    std::ofstream out(dir_ / name);
    for (json row : rows) {
      change(row, seen[row.at("phase")]++);
      if (!row.is_null()) out << row.dump() << "\n";
    }
  }
  /// Every `step`-th request of the replay, beginning with the last, which is the easiest to miss.
  void Replayed(int step, const std::function<void(json& row)>& change) const {
    Rows("requests.jsonl", [&](json& row, int n) {
      if (row.at("phase") == "replay" && (59 - n) % step == 0) change(row);
    });
  }
  void Cut(const std::string& name) const {
    fs::resize_file(dir_ / name, fs::file_size(dir_ / name) * 2 / 3);
  }
  void Remove(const std::string& name) const { fs::remove(dir_ / name); }

 private:
  fs::path dir_;
};

struct Lie {
  int number = 0;
  std::string name;
  Where where = Where::kAnyLeg;
  std::function<void(const Bundle&)> plant;
  std::vector<std::string> codes;
  Ending outcome = Ending::kInvalid;
  int pairs = 8;
};

void ReadsBytes(json& phase, std::uint64_t process, std::uint64_t asked, std::uint64_t device) {
  phase["io"]["process_read"] = process;
  phase["io"]["process_rchar"] = asked;
  phase["io"]["device_read"] = device;
}

void OthersRead(json& phase, std::uint64_t bytes, std::uint64_t stack) {
  json& w = phase["host"]["during"];
  w["other_read"] = bytes;
  w["stack_read"] = stack;
  w["device_read"] = bytes + stack;
}

void NothingFromTheSsd(json& phase) {
  phase["tiers"]["onboard_g3_to_g1_blocks"] = 0;
  ReadsBytes(phase, 0, 0, 0);
}

void Unavailable(json& phase, const char* why) {
  for (auto& [key, value] : phase["tiers"].items()) {
    if (key.find("blocks") != std::string::npos || key.find("tokens") != std::string::npos)
      value = {{"unavailable", why}};
  }
}

void ADayBack(json& j, const char* key) {
  std::string text = j.at(key);
  j[key] = text.replace(0, 10, "2025-12-31");
}

/// The wall clock was set back by a day while the first phase ran.
void StepTheClock(const Bundle& b) {
  b.Phase("populate", [](json& p) { p["host"]["during"]["clock_step_ms"] = 86'400'000.0; });
  for (const char* phase : {"thrash", "replay"}) {
    b.Phase(phase, [](json& p) {
      ADayBack(p, "start_utc");
      ADayBack(p, "end_utc");
    });
  }
  b.Rows("requests.jsonl", [](json& row, int) {
    if (row.at("phase") == "populate") return;
    for (const char* key : {"start_ts", "end_ts", "request_start_ts", "request_end_ts"})
      ADayBack(row, key);
  });
}

std::vector<Lie> AllLies() {
  using enum Where;
  using enum Ending;
  std::vector<Lie> lies;
  const auto add = [&](Lie lie) { lies.push_back(std::move(lie)); };

  add({1,
       "stale_kv",
       kB2,
       [](const Bundle& b) {
         b.Replayed(20, [](json& row) {
           row["output_text"] = "text of a stale block";
           row["output_sha256"] = Sha256Hex("text of a stale block");
         });
       },
       {"ANSWER_MISMATCH"}});
  add({2,
       "counters_without_io",
       kB2,
       [](const Bundle& b) { b.Phase("replay", [](json& p) { ReadsBytes(p, 0, 0, 0); }); },
       {"COUNTER_WITHOUT_IO"}});
  add({3,
       "io_without_counters",
       kAnyLeg,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) {
           const std::uint64_t read = p["io"]["process_read"].get<std::uint64_t>() + kGiB;
           ReadsBytes(p, read, read, read);
         });
       },
       {"IO_WITHOUT_COUNTER"},
       kNotDecisionGrade});
  add({4,
       "b1_with_disk",
       kB1,
       [](const Bundle& b) {
         b.Worker("disk_cache_gb", 32.0);
         b.Worker("disk_blocks", 1536);
         b.Worker("open_files_under_cache_dir", 1);
       },
       {"B1_DISK_TIER_NOT_DISABLED"},
       kNotDecisionGrade});
  add({4,
       "b1_with_disk_that_says_0_gb",
       kB1,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) {
           p["tiers"]["onboard_g3_to_g1_blocks"] = test::kReplayBlocks;
           ReadsBytes(p, kBytes, kBytes, kBytes);
         });
       },
       {"B1_DISK_TIER_NOT_DISABLED"},
       kNotDecisionGrade});
  add({5,
       "host_only_onboarding",
       kB2,
       [](const Bundle& b) {
         b.Phase("populate", [](json& p) {
           p["tiers"]["offload_g2_to_g3_blocks"] = 0;
           p["io"]["process_write"] = 0;
         });
         b.Phase("replay", [](json& p) {
           NothingFromTheSsd(p);
           p["tiers"]["onboard_g2_to_g1_blocks"] = test::kReplayBlocks;
         });
       },
       {"GATE_NO_SSD_MECHANISM_SIGNAL"},
       kNotDecisionGrade});
  add({6,
       "write_only",
       kB2,
       [](const Bundle& b) { b.Phase("replay", NothingFromTheSsd); },
       {"REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"},
       kNotDecisionGrade});
  add({7,
       "page_cache",
       kB2,
       [](const Bundle& b) { b.Phase("replay", [](json& p) { ReadsBytes(p, 0, kBytes, 0); }); },
       {"PAGE_CACHE_READS"},
       kNotDecisionGrade});
  add({8,
       "background_reader",
       kB2,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) {
           ReadsBytes(p, kBytes, kBytes, kBytes + kGiB);
           OthersRead(p, kGiB, kBytes);
         });
       },
       {"NOISE_BACKGROUND_IO"},
       kNotDecisionGrade});
  add({8,
       "background_reader_in_place_of_the_worker",
       kB2,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) {
           ReadsBytes(p, 0, 0, kBytes);
           OthersRead(p, kBytes, 0);
         });
       },
       {"COUNTER_WITHOUT_IO", "NOISE_BACKGROUND_IO"}});
  add({9,
       "error_rate_hidden",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(10, [](json& row) {
           row["outcome"] = "http_error";
           row["http_status"] = row["status_code"] = 500;
         });
       },
       {"REQUEST_ERRORS", "RUN_ERRORS_PRESENT"}});
  add({9,
       "error_rate_hidden_in_ok_rows",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(10, [](json& row) { row["http_status"] = row["status_code"] = 500; });
       },
       {"OUTCOME_CONTRADICTED"}});
  add({9,
       "error_rate_hidden_by_leaving_rows_out",
       kAnyLeg,
       [](const Bundle& b) { b.Replayed(10, [](json& row) { row = nullptr; }); },
       {"RUN_INCOMPLETE", "RUN_ERRORS_PRESENT"}});
  add({10,
       "timeout_as_success",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(60, [](json& row) {
           for (const char* stamp : {"first_text", "last_text", "usage", "done"})
             row["stamps"].erase(stamp);
           row["output_text"] = "";
           row["output_sha256"] = nullptr;
         });
       },
       {"OUTCOME_CONTRADICTED"}});
  add({10,
       "timeout_as_success_after_some_text",
       kAnyLeg,
       [](const Bundle& b) { b.Replayed(60, [](json& row) { row["stamps"].erase("done"); }); },
       {"OUTCOME_CONTRADICTED"}});
  add({11,
       "empty_output",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(60, [](json& row) {
           row["output_text"] = "";
           row["output_sha256"] = Sha256Hex("");
         });
       },
       {"OUTCOME_CONTRADICTED"}});
  add({12,
       "missing_metrics",
       kAnyLeg,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) { Unavailable(p, "connection refused"); });
       },
       {"METRICS_UNAVAILABLE"},
       kNotDecisionGrade});
  add({13,
       "metric_reset",
       kAnyLeg,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) {
           Unavailable(p, "a counter went backwards");
           p["tiers"]["counter_reset"] = true;
         });
       },
       {"COUNTER_RESET"},
       kNotDecisionGrade});
  add({14,
       "replay_prompts_changed",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(60, [](json& row) { row["prompt_sha256"] = Sha256Hex("an easier prompt"); });
       },
       {"REPLAY_PROMPTS_CHANGED"}});
  add({14,
       "replay_prompts_changed_with_the_plan",
       kAnyLeg,
       [](const Bundle& b) {
         const auto easier = [](json& row, int n) {
           if (row.at("phase") == "replay" && n == 59)
             row["prompt_sha256"] = Sha256Hex("an easier prompt");
         };
         b.Rows("requests.jsonl", easier);
         b.Rows("request_manifest.jsonl", easier);
       },
       {"REPLAY_PROMPTS_CHANGED"}});
  add({15,
       "output_lengths_differ",
       kAnyLeg,
       [](const Bundle& b) {
         b.Replayed(60, [](json& row) { row["usage"]["completion_tokens"] = 4; });
       },
       {"OUTPUT_LENGTH_MISMATCH"},
       kNotDecisionGrade});
  add({16,
       "client_saturated",
       kAnyLeg,
       [](const Bundle& b) {
         b.Phase("replay", [](json& p) { p["client"]["cpu_fraction"] = 0.97; });
       },
       {"CLIENT_SATURATED"}});
  add({17,
       "one_bad_leg_in_six",
       kB2,
       [](const Bundle& b) {
         b.Phase("populate", [](json& p) {
           p["tiers"]["offload_g2_to_g3_blocks"] = 0;
           p["io"]["process_write"] = 0;
         });
         b.Phase("replay", [](json& p) {
           NothingFromTheSsd(p);
           p["tiers"]["matched_tokens"] = 0;
         });
       },
       {"GATE_NO_SSD_MECHANISM_SIGNAL"},
       kNotDecisionGrade,
       6});
  add({18,
       "wrong_model",
       kAnyLeg,
       [](const Bundle& b) {
         b.Rows("requests.jsonl", [](json& row, int) { row["response_model"] = "a smaller one"; });
       },
       {"WRONG_MODEL"}});
  add({18,
       "wrong_model_in_one_arm",
       kAnyLeg,
       [](const Bundle& b) {
         b.Edit("config.json", [](json& j) { j["model_id"] = "a smaller one"; });
         b.Rows("requests.jsonl", [](json& row, int) { row["response_model"] = "a smaller one"; });
       },
       {"WRONG_MODEL"}});
  add({19, "clock_step", kAnyLeg, StepTheClock, {"NOISE_CLOCK_STEP"}, kNotDecisionGrade});
  add({19,
       "clock_step_that_nobody_recorded",
       kAnyLeg,
       [](const Bundle& b) {
         StepTheClock(b);
         b.Phase("populate", [](json& p) { p["host"]["during"]["clock_step_ms"] = 0.0; });
       },
       {"NOISE_CLOCK_STEP"},
       kNotDecisionGrade});
  add({20,
       "truncated_artifact",
       kAnyLeg,
       [](const Bundle& b) { b.Cut("requests.jsonl"); },
       {"RUN_INCOMPLETE"}});
  add({20,
       "truncated_artifact_of_a_phase",
       kAnyLeg,
       [](const Bundle& b) { b.Cut("phase_deltas/phase_replay_evidence.json"); },
       {"ARTIFACT_UNREADABLE"}});
  add({20,
       "truncated_artifact_that_is_gone",
       kAnyLeg,
       [](const Bundle& b) { b.Remove("summary.json"); },
       {"ARTIFACT_UNREADABLE"}});
  return lies;
}

bool Fits(const Phase70Run& run, Where where) {
  return where == Where::kAnyLeg || (where == Where::kB1) == (run.mode == TierMode::kB1);
}

std::string LieName(const ::testing::TestParamInfo<Lie>& info) {
  return info.param.name;
}
void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.name;
}

class PlantedLie : public ::testing::TestWithParam<Lie> {};

// The good experiment first: what the lie takes away was there before. Then the lie, in the first
// leg that it fits, in the last, and in one that is drawn.
TEST_P(PlantedLie, EndsInItsReasonCodeAndNoGrade) {
  const Lie& lie = GetParam();
  const Phase70Paths paths{sample::Scratch("lie_" + lie.name), "20260101T000000Z"};
  const Phase70Manifest manifest = sample::WriteExperiment(paths, test::MakeExperiment(lie.pairs));
  const Verdict good = sample::JudgeExperiment(paths);
  ASSERT_TRUE(good.decision_grade) << FindingsText(good.findings);
  ASSERT_EQ(good.grade, lie.pairs >= 8 ? Grade::kB : Grade::kC);
  ASSERT_EQ(good.effect.word, EffectWord::kBetter);
  for (const std::string& code : lie.codes) ASSERT_THAT(good.reason_codes, Not(Contains(code)));

  std::vector<const Phase70Run*> legs;
  for (const Phase70Run& run : manifest.runs) {
    if (Fits(run, lie.where)) legs.push_back(&run);
  }
  Rng rng(std::hash<std::string>{}(lie.name));
  const std::set<std::size_t> chosen{0, legs.size() - 1, 1 + rng.Below(legs.size() - 2)};
  for (const std::size_t leg : chosen) {
    const fs::path dir = paths.root / legs[leg]->run_dir;
    const fs::path kept = paths.root / "kept";
    fs::copy(dir, kept, fs::copy_options::recursive);
    lie.plant(Bundle(dir));
    const Verdict v = sample::JudgeExperiment(paths);
    SCOPED_TRACE(legs[leg]->run_id + "\n" + FindingsText(v.findings));
    EXPECT_THAT(v.reason_codes, IsSupersetOf(lie.codes));
    for (const std::string& code : lie.codes) {
      EXPECT_TRUE(std::any_of(v.findings.begin(), v.findings.end(),
                              [&](const Finding& f) {
                                return Code(f.reason) == code && f.run_id == legs[leg]->run_id;
                              }) ||
                  code == "WRONG_MODEL")
          << code << " must name the leg";
    }
    EXPECT_FALSE(v.decision_grade);
    EXPECT_EQ(v.ExitCode(), 1);
    EXPECT_EQ(v.run_valid, lie.outcome == Ending::kNotDecisionGrade);
    EXPECT_EQ(v.grade, lie.outcome == Ending::kInvalid ? Grade::kX : Grade::kC);
    EXPECT_EQ(v.effect.grade, v.grade) << "the word carries the grade";
    fs::remove_all(dir);
    fs::rename(kept, dir);
  }
  EXPECT_EQ(sample::JudgeExperiment(paths).grade, good.grade) << "and back";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedLie, ::testing::ValuesIn(AllLies()), LieName);

/// Rows of the table in the page: number, name, codes, outcome.
std::vector<std::vector<std::string>> PageRows() {
  std::vector<std::vector<std::string>> rows;
  std::istringstream page(ReadFile(fs::path(KVTIER_SOURCE_DIR) / "docs/planted_lies.md"));
  for (std::string line; std::getline(page, line);) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) {
      const auto from = cell.find_first_not_of(' ');
      cells.push_back(from == std::string::npos
                          ? ""
                          : cell.substr(from, cell.find_last_not_of(' ') - from + 1));
    }
    if (cells.size() >= 8 && !cells[1].empty() && std::isdigit(cells[1][0]) != 0)
      rows.push_back({cells[1], cells[2], cells[5], cells[6]});
  }
  return rows;
}

TEST(PlantedLies, ThePageIsTheList) {
  std::vector<std::vector<std::string>> expected;
  std::set<int> numbers;
  for (const Lie& lie : AllLies()) {
    std::string codes;
    for (const std::string& code : lie.codes) codes += (codes.empty() ? "`" : ", `") + code + "`";
    numbers.insert(lie.number);
    expected.push_back({std::to_string(lie.number), "`" + lie.name + "`", codes,
                        lie.outcome == Ending::kInvalid ? "X" : "not decision grade"});
  }
  EXPECT_EQ(PageRows(), expected);
  EXPECT_EQ(numbers.size(), 20U);
  EXPECT_EQ(*numbers.rbegin(), 20);
}

}  // namespace
}  // namespace kvtier
