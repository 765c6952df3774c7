#include "telemetry/device/smart.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <limits>

#include <fmt/format.h>

#include "telemetry/text.hpp"

namespace kvtier {
using nlohmann::json;
namespace {

/// The leading number of "1,234,567 (632.10 GB)", "38 °C (311 K)", "100%", "0x1", "1.5e+20".
std::optional<double> LeadingNumber(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X")) {
    const auto hex = ParseNumber<std::uint64_t>(text.substr(2, text.find_first_of(" \t") - 2), 16);
    return hex ? std::optional<double>(static_cast<double>(*hex)) : std::nullopt;
  }
  std::string digits;
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.' || c == 'e' || c == 'E' ||
        c == '+' || c == '-') {
      digits += c;
    } else if (c != ',' && c != '\'') {  // thousands, as locales write them
      break;
    }
  }
  const auto value = ParseNumber<double>(digits);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<double> AsNumber(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return LeadingNumber(value.get_ref<const std::string&>());
  // nvme-cli 2.x --verbose: {"value": 0, "available_spare": 0, ...}
  if (value.is_object() && value.contains("value") && value["value"].is_number())
    return value["value"].get<double>();
  return std::nullopt;
}

/// Exact where the text or the number is an integer of 64 bit; else through double.
std::optional<std::uint64_t> AsCount(const json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_string()) {
    std::string plain = value.get<std::string>();
    plain = plain.substr(0, plain.find_first_of(" \t("));
    std::erase_if(plain, [](char c) { return c == ',' || c == '\''; });
    if (const auto exact = ParseNumber<std::uint64_t>(plain)) return exact;
  }
  const auto number = AsNumber(value);
  // The counters have 128 bit; one that does not fit is not cut.
  if (!number || !(*number >= 0) || *number >= 18446744073709551616.0) return std::nullopt;
  return static_cast<std::uint64_t>(std::round(*number));
}

using Names = std::initializer_list<const char*>;

/// Fields of one log under any of their names; remembers whether there was one at all.
class Fields {
 public:
  Fields(const json& log, std::string source) : log_(log), source_(std::move(source)) {}

  Reading<std::uint64_t> Count(Names names) {
    return Get<std::uint64_t>(names, [](const json& v) { return AsCount(v); });
  }
  Reading<double> Number(Names names) {
    return Get<double>(names, [](const json& v) { return AsNumber(v); });
  }
  bool found() const { return found_; }
  const std::string& source() const { return source_; }

 private:
  template <class T, class F>
  Reading<T> Get(Names names, F&& convert) {
    for (const char* name : names) {
      const auto field = log_.find(name);
      if (field == log_.end()) continue;
      if (const auto value = convert(*field)) {
        found_ = true;
        return *value;
      }
      return Reading<T>::Unavailable(
          fmt::format("{} of {} is no number that fits: {}", name, source_,
                      field->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60)));
    }
    return Reading<T>::Unavailable(fmt::format("{} does not say {}", source_, *names.begin()));
  }
  const json& log_;
  std::string source_;
  bool found_ = false;
};

Reading<double> Celsius(Reading<double> temperature) {
  if (!temperature) return temperature;
  // The log holds kelvin and nvme-cli's JSON hands them on; its text and smartctl subtract 273, and
  // so do we, else two tools would disagree by 0.15. No disk is at 200 degrees Celsius.
  constexpr double kSurelyKelvin = 200, kOffset = 273;
  return *temperature > kSurelyKelvin ? Reading<double>(*temperature - kOffset) : temperature;
}

Reading<std::uint64_t> Sum(const Reading<std::uint64_t>& a, const Reading<std::uint64_t>& b) {
  if (!a) return a;
  if (!b) return b;
  return *a + *b;
}

Reading<SmartReading> FromFields(Fields fields) {
  SmartReading r;
  r.source = fields.source();
  r.data_units_read = fields.Count({"data_units_read", "data_units_read_s"});
  r.data_units_written = fields.Count({"data_units_written", "data_units_written_s"});
  r.host_read_commands = fields.Count({"host_read_commands", "host_reads", "host_reads_s"});
  r.host_write_commands = fields.Count({"host_write_commands", "host_writes", "host_writes_s"});
  r.celsius = Celsius(fields.Number({"temperature", "composite_temperature"}));
  r.percentage_used = fields.Number({"percentage_used", "percent_used"});
  r.available_spare_pct = fields.Number({"available_spare", "avail_spare"});
  r.critical_warning = fields.Count({"critical_warning"});
  r.media_errors = fields.Count({"media_errors", "media_errors_s"});
  r.error_log_entries = fields.Count({"num_err_log_entries", "num_err_log_entries_s"});
  r.unsafe_shutdowns = fields.Count({"unsafe_shutdowns", "unsafe_shutdowns_s"});
  r.power_on_hours = fields.Count({"power_on_hours", "power_on_hours_s"});
  r.warning_temperature_minutes = fields.Count({"warning_temp_time", "warning_temperature_time"});
  r.critical_temperature_minutes =
      fields.Count({"critical_comp_time", "critical_composite_temperature_time"});
  r.thermal_throttle_transitions =
      Sum(fields.Count({"thm_temp1_trans_count", "thermal_management_t1_trans_count"}),
          fields.Count({"thm_temp2_trans_count", "thermal_management_t2_trans_count"}));
  if (!fields.found()) {
    return Reading<SmartReading>::Unavailable(
        fmt::format("the answer of {} holds no health log", fields.source()));
  }
  return r;
}

template <class T>
Reading<T> Difference(const Reading<SmartReading>& before, const Reading<SmartReading>& after,
                      Reading<T> SmartReading::*field, const char* name) {
  if (!before) return Reading<T>::Unavailable("before: " + before.reason());
  if (!after) return Reading<T>::Unavailable("after: " + after.reason());
  const Reading<T>&a = (*before).*field, &b = (*after).*field;
  if (!a) return Reading<T>::Unavailable("before: " + a.reason());
  if (!b) return Reading<T>::Unavailable("after: " + b.reason());
  if (*b < *a) {
    return Reading<T>::Unavailable(
        fmt::format("{} fell from {} to {}: another disk, or its log was reset", name, *a, *b));
  }
  return *b - *a;
}

Reading<Bytes> UnitBytes(const Reading<std::uint64_t>& units) {
  if (!units) return Reading<Bytes>::Unavailable(units.reason());
  if (*units > std::numeric_limits<std::uint64_t>::max() / kSmartDataUnitBytes)
    return Reading<Bytes>::Unavailable(fmt::format("{} data units are no amount of bytes", *units));
  return Bytes{*units * kSmartDataUnitBytes};
}

Reading<double> RatedBytes(const EnduranceInputs& in, const Reading<Bytes>& lifetime,
                           std::string& source) {
  if (in.rated_tbw) {
    if (!(*in.rated_tbw > 0)) return Reading<double>::Unavailable("the rated TBW is not above 0");
    source = "given";
    return *in.rated_tbw * 1e12;
  }
  if (!in.now) return Reading<double>::Unavailable(in.now.reason());
  if (!lifetime) return Reading<double>::Unavailable(lifetime.reason());
  const Reading<double>& used = in.now->percentage_used;
  if (!used) return used;
  if (*used < 1) {
    return Reading<double>::Unavailable(
        "percentage_used is below 1, which implies no rated life; give the TBW of the data sheet");
  }
  source = "implied by percentage_used";
  return static_cast<double>(lifetime->value) / (*used / 100.0);
}

}  // namespace

Reading<SmartReading> SmartFromNvmeJson(const json& log) {
  if (!log.is_object())
    return Reading<SmartReading>::Unavailable("the answer of nvme smart-log is no JSON object");
  auto reading = FromFields(Fields(log, "nvme smart-log"));
  if (!reading || !log.contains("temperature") || AsNumber(log["temperature"]) != 0.0)
    return reading;
  SmartReading r = *reading;
  r.celsius = Reading<double>::Unavailable(
      "nvme smart-log says a temperature of 0 kelvin: the disk does not measure it");
  return r;
}

Reading<SmartReading> SmartFromNvmeText(std::string_view text) {
  json log = json::object();
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string key;
    for (const auto word : Words(line.substr(0, colon))) {
      if (!key.empty()) key += '_';
      for (const char c : word)
        key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    const auto value = line.substr(colon + 1);
    const std::size_t first = value.find_first_not_of(" \t");
    if (first != std::string_view::npos) log[key] = std::string(value.substr(first));
  });
  return FromFields(Fields(log, "nvme smart-log"));
}

Reading<SmartReading> SmartFromSmartctl(const json& document) {
  const char* const kKey = "nvme_smart_health_information_log";
  if (!document.is_object() || !document.contains(kKey) || !document[kKey].is_object()) {
    return Reading<SmartReading>::Unavailable(
        fmt::format("the answer of smartctl holds no {}", kKey));
  }
  return FromFields(Fields(document[kKey], "smartctl"));
}

SmartDelta SmartDeltaBetween(const Reading<SmartReading>& before,
                             const Reading<SmartReading>& after) {
  const auto count = [&](Reading<std::uint64_t> SmartReading::*field, const char* name) {
    return Difference<std::uint64_t>(before, after, field, name);
  };
  const auto celsius = [](const Reading<SmartReading>& at) {
    return at ? at->celsius : Reading<double>::Unavailable(at.reason());
  };
  using R = SmartReading;
  SmartDelta d;
  d.read = UnitBytes(count(&R::data_units_read, "data_units_read"));
  d.written = UnitBytes(count(&R::data_units_written, "data_units_written"));
  d.host_read_commands = count(&R::host_read_commands, "host_read_commands");
  d.host_write_commands = count(&R::host_write_commands, "host_write_commands");
  d.celsius_before = celsius(before);
  d.celsius_after = celsius(after);
  d.celsius_change = d.celsius_after;
  if (!d.celsius_before)
    d.celsius_change = d.celsius_before;
  else if (d.celsius_after)
    d.celsius_change = *d.celsius_after - *d.celsius_before;
  d.percentage_used_change =
      Difference<double>(before, after, &R::percentage_used, "percentage_used");
  d.thermal_throttle_transitions =
      count(&R::thermal_throttle_transitions, "the count of thermal throttle transitions");
  d.warning_temperature_minutes =
      count(&R::warning_temperature_minutes, "warning_temperature_minutes");
  d.critical_temperature_minutes =
      count(&R::critical_temperature_minutes, "critical_temperature_minutes");
  d.media_errors = count(&R::media_errors, "media_errors");
  d.error_log_entries = count(&R::error_log_entries, "error_log_entries");
  d.unsafe_shutdowns = count(&R::unsafe_shutdowns, "unsafe_shutdowns");
  return d;
}

EnduranceEstimate EstimateEndurance(const EnduranceInputs& in) {
  using R = Reading<double>;
  constexpr double kSecondsPerDay = 86400;
  EnduranceEstimate e;
  const auto as_double = [](const Bytes& b) { return static_cast<double>(b.value); };
  const R written = in.written.Map(as_double), useful = in.useful_read.Map(as_double);
  const Reading<Bytes> lifetime =
      in.now ? UnitBytes(in.now->data_units_written) : Reading<Bytes>::Unavailable(in.now.reason());
  e.bytes_per_day = !written          ? written
                    : in.window_s > 0 ? R(*written * kSecondsPerDay / in.window_s)
                                      : R::Unavailable("the window has no length");
  e.rated_bytes = RatedBytes(in, lifetime, e.rated_source);
  e.remaining_bytes = !e.rated_bytes ? e.rated_bytes
                      : !lifetime    ? R::Unavailable(lifetime.reason())
                                     : R(std::max(0.0, *e.rated_bytes - as_double(*lifetime)));
  e.remaining_days = !e.remaining_bytes ? e.remaining_bytes
                     : !e.bytes_per_day ? e.bytes_per_day
                     : *e.bytes_per_day > 0
                         ? R(*e.remaining_bytes / *e.bytes_per_day)
                         : R::Unavailable("nothing was written in the window, so there is no rate");
  e.written_per_useful_byte =
      !written  ? written
      : !useful ? useful
      : *useful > 0
          ? R(*written / *useful)
          : R::Unavailable("the engine read nothing back from the SSD, so no byte was useful");
  return e;
}

}  // namespace kvtier
