#include "telemetry/device/device_metadata.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "telemetry/device/nvme_cli.hpp"
#include "telemetry/device/nvme_inventory.hpp"
#include "telemetry/device/pcie.hpp"
#include "telemetry/device/storage_identity.hpp"
#include "telemetry/os/block_device.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;
namespace {

json LinkJson(const PcieLink& link) {
  return {{"negotiated_speed", TextOrNull(link.negotiated_speed)},
          {"negotiated_width", TextOrNull(link.negotiated_width)},
          {"max_speed", TextOrNull(link.max_speed)},
          {"max_width", TextOrNull(link.max_width)}};
}

json TargetJson(const NvmeController& c) {
  return {{"controller", c.controller},
          {"nvme_device", c.device},
          {"nvme_namespace", TextOrNull(c.name_space)},
          {"bdf", TextOrNull(c.bdf)}};
}

/// The directory itself or the nearest one above it that exists.
fs::path Existing(fs::path directory) {
  std::error_code error;
  directory = fs::absolute(directory, error);
  while (!fs::exists(directory, error) && directory.has_relative_path())
    directory = directory.parent_path();
  return directory;
}

class Collector {
 public:
  explicit Collector(const DeviceMetadataRequest& request)
      : request_(request), runner_(RememberMissing(request.runner)) {
    document_ = {
        {"schema_version", 1},
        {"capture_stage", request.stage},
        {"capture_timestamp", UtcMillisNow()},
        {"capture_errors", json::array()},
        {"requested_targets",
         {{"nvme_device_hint", TextOrNull(request.nvme_device_hint)},
          {"kvbm_cache_dir", TextOrNull(request.cache_dir.string())},
          {"phase_io_device", TextOrNull(request.phase_io_device)}}},
        {"resolved_targets", nullptr},
        {"primary_nvme_controller", nullptr},
        {"primary_nvme_device", nullptr},
        {"primary_nvme_namespace", nullptr},
        {"nvme_devices", json::array()},
        {"nvme", {{"list", nullptr}, {"list_subsys", nullptr}, {"devices", json::array()}}},
        {"pcie", {{"lspci_scan", nullptr}, {"controllers", json::array()}}},
        {"block_filesystem", {{"lsblk", nullptr}, {"findmnt", nullptr}, {"mount", nullptr}}},
        {"system", {{"uname", nullptr}, {"os_release", nullptr}, {"nvidia_smi", nullptr}}},
        {"primary_storage_summary",
         {{"model", nullptr},
          {"serial", nullptr},
          {"firmware_rev", nullptr},
          {"size", nullptr},
          {"pcie_link", nullptr}}}};
  }

  void Run() {
    controllers_ = ListNvmeControllers(request_.roots);
    list_ = Nvme("list", "", seconds(12));
    list_subsys_ = Nvme("list-subsys", "", seconds(12));
    document_["nvme"]["list"] = CommandCaptureJson(list_);
    document_["nvme"]["list_subsys"] = CommandCaptureJson(list_subsys_);
    document_["pcie"]["lspci_scan"] = Command({"lspci", "-D", "-nn"}, seconds(12));
    FillAddresses();
    FindDisk();
    CaptureSystem();
    FindPrimary();
    for (const auto& c : controllers_) CaptureController(c);
    Resolve();
  }

  DeviceMetadata Finish() && {
    if (!primary_ && !why_no_primary_.empty()) {
      identity_capture_ = NoNvmeCapture("id-ctrl", request_.nvme_device_hint, why_no_primary_);
      smart_capture_ = NoNvmeCapture("smart-log", request_.nvme_device_hint, why_no_primary_);
      smart_ = Reading<SmartReading>::Unavailable(why_no_primary_);
    }
    DeviceMetadata result;
    result.nvme_identity = std::move(identity_capture_.json);
    result.nvme_smart = std::move(smart_capture_.json);
    result.nvme_identity["schema_version"] = 1;
    result.nvme_smart["schema_version"] = 1;
    result.identity = std::move(identity_);
    result.smart = std::move(smart_);
    result.capture_errors = document_["capture_errors"].size();
    result.document = std::move(document_);
    return result;
  }

  void InternalError(const std::string& what) {
    Error("collector_internal", nullptr, what);
    if (why_no_primary_.empty()) why_no_primary_ = "the capture failed: " + what;
    primary_.reset();
  }

 private:
  void Error(const std::string& command, json return_code, const std::string& text) {
    document_["capture_errors"].push_back({{"command", command},
                                           {"return_code", std::move(return_code)},
                                           {"stderr_snippet", Snippet(text)}});
  }

  /// A program that is not installed is an error once.
  bool FirstMention(const std::string& program, bool missing) {
    return !missing || missing_.insert(program).second;
  }

  json Command(const std::vector<std::string>& argv, std::chrono::milliseconds limit,
               bool wants_json = false, bool record_error = true) {
    const CommandResult result = runner_(argv, limit);
    json capture = CommandCaptureJson(argv, result, wants_json);
    const bool missing = result.outcome == CommandResult::Outcome::kNotFound;
    if (record_error && !capture["success"].get<bool>() && FirstMention(argv[0], missing))
      Error(CommandText(argv), capture["return_code"],
            result.err.empty() ? capture["error"].get<std::string>() : result.err);
    return capture;
  }

  NvmeCapture Nvme(const std::string& subcommand, const std::string& device,
                   std::chrono::milliseconds limit = seconds(10)) {
    NvmeCapture capture = RunNvme(subcommand, device, runner_, limit);
    if (!capture.payload_ok && FirstMention("nvme", capture.tool_missing)) {
      const json as_command = CommandCaptureJson(capture);
      Error(Snippet(fmt::format("nvme {} {}", subcommand, device)), as_command["return_code"],
            capture.error);
    }
    return capture;
  }

  /// sysfs knows the address of every PCIe controller; where it does not, list-subsys may, and one
  /// controller beside one line of lspci can only be that line. (Several are not matched by their
  /// order: it says nothing.)
  void FillAddresses() {
    std::vector<NvmeController*> without;
    std::set<std::string> taken;
    for (auto& c : controllers_) {
      if (c.bdf.empty()) c.bdf = SubsysBdf(list_subsys_.payload(), c.controller);
      if (c.bdf.empty())
        without.push_back(&c);
      else
        taken.insert(c.bdf);
    }
    const json& scan = document_["pcie"]["lspci_scan"]["payload"];
    if (without.size() != 1 || !scan.is_string()) return;
    std::vector<std::string> free = LspciNvmeBdfs(scan.get_ref<const std::string&>());
    std::erase_if(free, [&](const std::string& bdf) { return taken.contains(bdf); });
    if (free.size() == 1) without.front()->bdf = free.front();
  }

  /// The disk that holds the cache directory: by its device number, else by findmnt's source.
  void FindDisk() {
    if (request_.cache_dir.empty()) {
      why_no_disk_ = "no cache directory was given";
      return;
    }
    const fs::path directory = Existing(request_.cache_dir);
    const json source =
        Command({"findmnt", "-n", "-o", "SOURCE", "--target", directory.string()}, seconds(8));
    if (source["payload"].is_string()) kvbm_source_ = Snippet(source["payload"].get<std::string>());
    const auto device = DeviceUnder(directory, request_.roots);
    // btrfs writes "/dev/nvme0n1p2[/subvolume]".
    const std::string named =
        device ? device->name
               : DiskOfNode(kvbm_source_.substr(0, kvbm_source_.find('[')), request_.roots);
    if (named.empty())
      why_no_disk_ = device.reason();
    else
      disk_ = PhysicalDisk(named, request_.roots);
    if (kvbm_source_.empty() && !named.empty()) kvbm_source_ = "/dev/" + named;
  }

  void CaptureSystem() {
    auto& block = document_["block_filesystem"];
    block["lsblk"] =
        Command({"lsblk", "-J", "-o",
                 "NAME,KNAME,PATH,MODEL,SERIAL,SIZE,ROTA,TYPE,MOUNTPOINT,FSTYPE,UUID,PARTUUID"},
                seconds(12), true);
    block["findmnt"] =
        Command({"findmnt", "-J", "-o", "TARGET,SOURCE,FSTYPE,OPTIONS"}, seconds(10), true);
    block["mount"] = Command({"mount"}, seconds(8));
    auto& system = document_["system"];
    system["uname"] = Command({"uname", "-a"}, seconds(5));
    json release = Command({"cat", "/etc/os-release"}, seconds(5));
    json parsed = release["payload"].is_string()
                      ? ParseOsRelease(release["payload"].get_ref<const std::string&>())
                      : json::object();
    system["os_release"] = {{"raw", std::move(release)}, {"parsed", std::move(parsed)}};
    // No GPU is no error.
    system["nvidia_smi"] =
        Command({"nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"},
                seconds(8), false, false);
  }

  std::optional<std::size_t> FindController(const std::string& name) const {
    for (std::size_t i = 0; i < controllers_.size(); ++i) {
      if (!name.empty() && controllers_[i].controller == name) return i;
    }
    return std::nullopt;
  }

  void FindPrimary() {
    const auto& hint = request_.nvme_device_hint;
    const auto hinted = FindHinted(hint);
    if (!hint.empty() && !hinted)
      Error("nvme_device_hint", nullptr,
            fmt::format("{} is no NVMe controller of this machine ({} has {})", hint,
                        (request_.roots.sys / "class/nvme").string(), controllers_.size()));
    if (!disk_.empty()) {
      primary_ = FindController(ControllerOfDisk(disk_, request_.roots));
      if (primary_) {
        controllers_[*primary_].name_space = "/dev/" + disk_;
      } else {
        why_no_primary_ = fmt::format(
            "the KV cache in {} is on {} ({}), no NVMe: it has no health log; set the cache "
            "directory to an NVMe disk to get SMART",
            request_.cache_dir.string(), disk_, DiskKind(disk_, request_.roots));
      }
      return;
    }
    primary_ = hinted ? hinted : FindController("nvme0");
    if (!primary_ && !controllers_.empty()) primary_ = 0;
    if (!primary_)
      why_no_primary_ = fmt::format(
          "there is no NVMe controller in {} and the disk of the KV cache "
          "is not known ({})",
          (request_.roots.sys / "class/nvme").string(), why_no_disk_);
  }

  std::optional<std::size_t> FindHinted(const std::string& hint) const {
    const auto direct = FindController(fs::path(hint).filename().string());
    return direct
               ? direct
               : FindController(ControllerOfDisk(DiskOfNode(hint, request_.roots), request_.roots));
  }

  void CaptureController(const NvmeController& c) {
    const bool is_primary = primary_ && controllers_[*primary_].controller == c.controller;
    NvmeCapture id_ctrl = Nvme("id-ctrl", c.device);
    NvmeCapture id_ns = Nvme("id-ns", c.name_space.empty() ? c.device + "n1" : c.name_space);
    NvmeCapture smart_log = Nvme("smart-log", c.device);
    json smartctl = nullptr, lspci = nullptr;
    if (!smart_log.payload_ok)
      smartctl = Command({"smartctl", "-a", "-j", c.device}, seconds(10), true);
    if (!c.bdf.empty()) lspci = Command({"lspci", "-vv", "-s", c.bdf}, seconds(10));

    const PcieLink link = LinkOf(c.bdf, lspci);
    json entries = NvmeListEntries(list_.payload(), c);
    const auto size = ReadDiskSize(fs::path(c.name_space).filename().string(), request_.roots);
    json identity =
        NvmeIdentity(id_ctrl.payload_ok ? id_ctrl.payload() : json(nullptr), entries, c, size);
    document_["pcie"]["controllers"].push_back({{"controller", c.controller},
                                                {"bdf", TextOrNull(c.bdf)},
                                                {"pcie_link", LinkJson(link)},
                                                {"lspci_vv", lspci}});
    if (is_primary) {
      document_["primary_storage_summary"] = identity;
      document_["primary_storage_summary"]["pcie_link"] = TextOrNull(PcieLinkText(link));
      smart_ = SmartOfCaptures(c.device, smart_log, smartctl);
      identity_capture_ = id_ctrl;
      smart_capture_ = smart_log;
    }
    json device = TargetJson(c);
    device.update({{"sysfs_identity",
                    {{"model", TextOrNull(c.model)},
                     {"serial", TextOrNull(c.serial)},
                     {"firmware_rev", TextOrNull(c.firmware)}}},
                   {"nvme_list_entries", std::move(entries)},
                   {"id_ctrl", std::move(id_ctrl.json)},
                   {"id_ns", std::move(id_ns.json)},
                   {"smart_log", std::move(smart_log.json)},
                   {"smartctl", std::move(smartctl)},
                   {"lspci_vv", std::move(lspci)},
                   {"pcie_link", LinkJson(link)},
                   {"identity", std::move(identity)}});
    document_["nvme"]["devices"].push_back(std::move(device));
  }

  /// sysfs first: lspci needs privilege to see the link. What one does not say the other may.
  PcieLink LinkOf(const std::string& bdf, const json& lspci) const {
    PcieLink link = ReadPcieLink(bdf, request_.roots);
    if (!lspci.is_object() || !lspci["payload"].is_string()) return link;
    const PcieLink other = ParseLspciLink(lspci["payload"].get_ref<const std::string&>());
    if (link.negotiated_speed.empty()) link.negotiated_speed = other.negotiated_speed;
    if (link.negotiated_width.empty()) link.negotiated_width = other.negotiated_width;
    if (link.max_speed.empty()) link.max_speed = other.max_speed;
    if (link.max_width.empty()) link.max_width = other.max_width;
    return link;
  }

  void Resolve() {
    const NvmeController none;
    const NvmeController& p = primary_ ? controllers_[*primary_] : none;
    json devices = json::array();
    for (const auto& c : controllers_) devices.push_back(TargetJson(c));
    document_["nvme_devices"] = devices;
    document_["primary_nvme_controller"] = TextOrNull(p.controller);
    document_["primary_nvme_device"] = TextOrNull(p.device);
    document_["primary_nvme_namespace"] = TextOrNull(p.name_space);
    document_["resolved_targets"] = {{"kvbm_source", TextOrNull(kvbm_source_)},
                                     {"primary_nvme_controller", TextOrNull(p.controller)},
                                     {"primary_nvme_device", TextOrNull(p.device)},
                                     {"primary_nvme_namespace", TextOrNull(p.name_space)},
                                     {"primary_bdf", TextOrNull(p.bdf)},
                                     {"nvme_devices", std::move(devices)}};
    ResolveIdentity(p);
  }

  void ResolveIdentity(const NvmeController& primary) {
    const std::string disk =
        disk_.empty() ? fs::path(primary.name_space).filename().string() : disk_;
    identity_ = ReadStorageIdentity(disk, request_.roots);
    if (disk.empty()) identity_.size = Reading<Bytes>::Unavailable(why_no_disk_);
    json& summary = document_["primary_storage_summary"];
    if (primary.controller.empty()) {
      summary = {{"model", TextOrNull(identity_.model)},
                 {"serial", TextOrNull(identity_.serial)},
                 {"firmware_rev", TextOrNull(identity_.firmware)},
                 {"size", identity_.size ? json(identity_.size->value) : json(nullptr)},
                 {"pcie_link", TextOrNull(identity_.pcie_link)}};
      return;
    }
    identity_.controller = primary.controller;
    identity_.name_space = primary.name_space;
    identity_.bdf = primary.bdf;
    identity_.model = TextField(summary, {"model"});
    identity_.serial = TextField(summary, {"serial"});
    identity_.firmware = TextField(summary, {"firmware_rev"});
    identity_.pcie_link = TextField(summary, {"pcie_link"});
  }

  const DeviceMetadataRequest& request_;
  CommandRunner runner_;
  json document_;
  std::set<std::string> missing_;
  std::vector<NvmeController> controllers_;
  NvmeCapture list_, list_subsys_, identity_capture_, smart_capture_;
  std::string kvbm_source_, disk_, why_no_disk_, why_no_primary_;
  std::optional<std::size_t> primary_;
  StorageIdentity identity_;
  Reading<SmartReading> smart_;
};

}  // namespace

DeviceMetadata CaptureDeviceMetadata(const DeviceMetadataRequest& request) {
  Collector collector(request);
  try {
    collector.Run();
  } catch (const std::exception& e) {
    collector.InternalError(e.what());
  }
  return std::move(collector).Finish();
}

}  // namespace kvtier
