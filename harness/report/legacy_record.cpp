#include "harness/report/legacy_record.hpp"

#include <charconv>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr double kMostMs = 1e10;  // four months: no request takes longer

/// A duration in ms; empty where the row has none.
std::optional<MonoNs> Duration(const LegacyPlace& place) {
  const auto ms = place.Number();
  if (!ms.available()) return std::nullopt;
  if (*ms < 0 || *ms > kMostMs) place.Refuse("a duration in ms");
  return std::llround(*ms * 1e6);
}

Outcome OutcomeOf(const LegacyPlace& row, int status) {
  const LegacyPlace error = row["error"];
  const std::string text = error.Text();
  if (status == 0) return text.empty() ? Outcome::kTimeout : Outcome::kConnectError;
  if (status >= 300) return Outcome::kHttpError;
  if (!row["stream_error"].Text().empty()) return Outcome::kStreamError;
  if (!text.empty()) return Outcome::kStreamError;
  // An exception without a text: its client gave up after the header.
  if (!error.Missing()) return Outcome::kTimeout;
  const auto chars = row["output_len_chars"].Number();
  if (!chars.available()) return Outcome::kIncomplete;
  return *chars > 0 ? Outcome::kOk : Outcome::kEmptyOutput;
}

std::optional<int> Digits(std::string_view text, std::size_t at, std::size_t n) {
  if (text.size() < at + n) return std::nullopt;
  int value = 0;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + n, value);
  if (error != std::errc() || end != begin + n || value < 0) return std::nullopt;
  return value;
}

}  // namespace

void LegacyPlace::Refuse(const char* wanted) const {
  throw DataError(fmt::format(
      "the key {} is {}, expected {}", name.empty() ? "(top)" : name,
      value == nullptr ? "absent"
                       : value->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60),
      wanted));
}

LegacyPlace LegacyPlace::operator[](std::string_view key) const {
  const std::string full = name.empty() ? std::string(key) : fmt::format("{}.{}", name, key);
  if (Missing()) return {nullptr, full};
  if (!value->is_object()) Refuse("an object");
  const auto found = value->find(std::string(key));
  return {found == value->end() ? nullptr : &*found, full};
}

Reading<double> LegacyPlace::Number() const {
  if (Missing()) return Reading<double>::Unavailable("the predecessor does not say " + name);
  if (!value->is_number()) Refuse("a number or null");
  const double number = value->get<double>();
  if (!std::isfinite(number)) Refuse("a finite number");
  return number;
}

std::optional<bool> LegacyPlace::Flag() const {
  if (Missing()) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number_integer() && (*value == 0 || *value == 1)) return *value == 1;
  Refuse("true or false");
}

std::string LegacyPlace::Text() const {
  if (Missing()) return "";
  if (!value->is_string()) Refuse("a text");
  return value->get<std::string>();
}

std::optional<int> LegacyPlace::Whole(int least, int most) const {
  const auto number = Number();
  if (!number.available()) return std::nullopt;
  if (*number != std::floor(*number) || *number < least || *number > most)
    Refuse(fmt::format("a whole number of {} to {}", least, most).c_str());
  return static_cast<int>(*number);
}

std::vector<LegacyPlace> LegacyPlace::Elements() const {
  if (Missing()) return {};
  if (!value->is_array()) Refuse("an array");
  std::vector<LegacyPlace> out;
  for (std::size_t i = 0; i < value->size(); ++i)
    out.push_back({&(*value)[i], fmt::format("{}[{}]", name, i)});
  return out;
}

std::optional<std::int64_t> ParseUtcNs(std::string_view text) {
  using namespace std::chrono;
  const auto year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2),
             hour = Digits(text, 11, 2), minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' ||
      text[10] != 'T' || text[13] != ':' || text[16] != ':' || *hour > 23 || *minute > 59 ||
      *second > 60 || *year < 1970 || *year > 2200)
    return std::nullopt;
  const year_month_day date{std::chrono::year(*year),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const auto at = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second);
  std::int64_t ns = duration_cast<nanoseconds>(at.time_since_epoch()).count();
  if (text.size() > 20 && text[19] == '.') {
    std::int64_t unit = 100'000'000;
    for (std::size_t i = 20; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, unit /= 10)
      ns += unit * (text[i] - '0');
  }
  return ns;
}

RequestRecord LegacyRecordFrom(const LegacyPlace& row) {
  RequestRecord r;
  r.request_index = row["request_index"].Whole(0, 1'000'000'000).value_or(0);
  r.phase = row["phase"].Text();
  if (r.phase.empty()) row["phase"].Refuse("the name of a phase");
  r.worker_idx = row["worker_idx"].Whole(0, 1'000'000).value_or(0);
  r.planned.prompt_id = row["prompt_id"].Text();
  r.planned.prompt_set = row["prompt_set"].Text();
  r.planned.target_tokens = row["prompt_target_tokens"].Whole(0, 100'000'000).value_or(0);
  r.planned.prompt_tokens_est = row["prompt_tokens_est"].Whole(0, 100'000'000).value_or(0);
  r.planned.identity.prompt_sha256 = row["prompt_sha256"].Text();
  r.planned.identity.generation_params_sha256 = row["generation_params_sha256"].Text();
  r.planned.identity.request_payload_sha256 = row["request_payload_sha256"].Text();
  r.planned.identity.request_identity_sha256 = row["request_identity_sha256"].Text();
  const auto status = row["http_status"].Whole(0, 999);
  r.http_status = status ? *status : row["status_code"].Whole(0, 999).value_or(0);
  r.error = row["error"].Text();
  r.stream_error = row["stream_error"].Text();
  r.first_event_type = row["stream_first_event_type"].Text();
  r.request_id = row["request_id"].Text();
  r.response_id = row["response_id"].Text();
  r.start_utc = row["start_ts"].Text();
  r.end_utc = row["end_ts"].Text();
  r.outcome = OutcomeOf(row, r.http_status);
  const MonoNs t0 = ParseUtcNs(r.start_utc).value_or(0);
  r.stamps.scheduled = r.stamps.issued = r.stamps.sent_first = t0;
  if (const auto ttfb = Duration(row["ttfb_ms"])) r.stamps.header = t0 + *ttfb;
  const bool stream = row["stream"].Flag().value_or(false);
  if (const auto ttfc = Duration(row["ttfc_ms"]); ttfc && stream)
    r.stamps.first_event = r.stamps.first_text = t0 + *ttfc;
  if (const auto latency = Duration(row["latency_ms"]))
    r.stamps.last_text = r.stamps.done = r.stamps.closed = t0 + *latency;
  return r;
}

}  // namespace kvtier
