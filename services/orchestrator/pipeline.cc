#include "services/orchestrator/pipeline.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "services/orchestrator/limits.h"
#include "services/orchestrator/parameters.h"
#include "services/orchestrator/pipeline_links.h"
#include "services/orchestrator/references.h"
#include "services/orchestrator/yaml_document.h"
#include "services/orchestrator/yaml_reader.h"

namespace trainyard::orchestrator {
namespace {

constexpr size_t kMaxMessageName = 80;

// A spec that is written into the pipeline, rather than the path of one.
bool IsInlineSpec(absl::string_view value) {
  return absl::StrContains(value, '\n') || absl::StrContains(value, "{ ") ||
         absl::StrContains(value, ": ");
}

// Stage, parameter and pipeline names become parts of paths and references.
bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > 63 || !absl::ascii_isalpha(text[0])) return false;
  return absl::c_all_of(text, [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

class PipelineParser {
 public:
  explicit PipelineParser(const PipelineSource& source)
      : source_(source), reader_(source.name), parameters_(source, reader_) {}

  absl::StatusOr<Pipeline> Parse(const YAML::Node& root) {
    static const std::vector<std::string> kKeys = {"name",    "params",   "services", "key",
                                                   "results", "path_map", "stages"};
    std::map<std::string, YAML::Node> top;
    for (const auto& [key, value] : reader_.Mapping(root, "", kKeys)) {
      top.emplace(key.Scalar(), value);
    }
    // Parameters come first: everything else may use them.
    parameters_.Read(top.contains("params") ? top["params"] : YAML::Node());
    pipeline_.parameters = parameters_.values();
    reader_.set_expand([this](const std::string& text, const std::string& place) {
      return parameters_.Expand(text, place);
    });
    ReadTop(top);
    if (!top.contains("stages")) {
      reader_.Add(root, "stages", "is missing; a pipeline has at least one stage");
    } else {
      ReadStages(top["stages"]);
    }
    TY_RETURN_IF_ERROR(reader_.Finish());
    return std::move(pipeline_);
  }

 private:
  void ReadTop(const std::map<std::string, YAML::Node>& top) {
    for (const auto& [key, node] : top) {
      if (key == "name") {
        pipeline_.name = reader_.Scalar(node, key);
        if (!IsName(pipeline_.name)) AddNotAName(node, key, pipeline_.name);
      } else if (key == "results") {
        pipeline_.results = reader_.Scalar(node, key);
        if (pipeline_.results.size() > kMaxNameBytes) {
          reader_.Add(node, key, "has %d bytes; at most %d are taken", pipeline_.results.size(),
                      kMaxNameBytes);
        }
        if (const auto references = FindReferences(pipeline_.results);
            !references.ok() || !references->empty()) {
          reader_.Add(node, key, "is '%s', but only ${param.NAME} has a value here; each run gets a "
                      "folder of its own below", pipeline_.results.substr(0, kMaxMessageName));
        }
      } else if (key == "key") {
        ReadKey(node);
      } else if (key == "path_map") {
        for (auto& [from, to] : reader_.Pairs(node, key)) pipeline_.path_map[from] = to;
      } else if (key == "services") {
        ReadServices(node);
      }
    }
    if (pipeline_.name.empty()) pipeline_.name = "pipeline";
  }

  void AddNotAName(const YAML::Node& node, const std::string& field, const std::string& value) {
    reader_.Add(node, field,
                "is '%s'; expected a letter, then letters, digits, '_' or '-', 63 at most",
                value.substr(0, kMaxMessageName));
  }

  void ReadKey(const YAML::Node& node) {
    const std::string key = reader_.Scalar(node, "key");
    if (key.size() > kMaxNameBytes) {
      reader_.Add(node, "key", "has %d bytes; at most %d are taken", key.size(), kMaxNameBytes);
    }
    if (key.empty() || absl::StartsWith(key, "env:") || absl::StartsWith(key, "file:")) {
      pipeline_.key = key;
      return;
    }
    reader_.Add(node, "key", "is a literal key; expected env:NAME or file:PATH");
  }

  void ReadServices(const YAML::Node& node) {
    for (const auto& [key, value] : reader_.Mapping(node, "services", stages::StageServices())) {
      const std::string field = absl::StrCat("services.", key.Scalar());
      std::vector<std::string>& addresses = pipeline_.services[key.Scalar()];
      for (const std::string& text : reader_.List(value, field)) {
        for (absl::string_view address : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
          if (addresses.size() == kMaxAddresses) {
            reader_.Add(value, field, "has more than %d addresses, the most that are taken",
                        kMaxAddresses);
            return;
          }
          addresses.emplace_back(absl::StripAsciiWhitespace(address));
          if (!absl::StrContains(address, ':')) {
            reader_.Add(value, field, "has '%s'; expected host:port", addresses.back());
          }
        }
      }
      if (addresses.empty()) pipeline_.services.erase(key.Scalar());
    }
  }

  void ReadStages(const YAML::Node& node) {
    if (!node.IsSequence() || node.size() == 0) {
      reader_.Add(node, "stages", "is not a list of stages");
      return;
    }
    if (node.size() > kMaxStages) {
      reader_.Add(node, "stages", "has %d entries; at most %d are taken", node.size(), kMaxStages);
      return;
    }
    for (size_t i = 0; i < node.size(); ++i) CollectName(node[i], i);
    for (size_t i = 0; i < node.size(); ++i) ReadStage(node[i], i);
    LinkStages(reader_, places_, pipeline_.stages);
  }

  // Names and kinds of all stages are known before any stage is read, so that each may refer to any.
  void CollectName(const YAML::Node& node, size_t index) {
    StageSpec stage;
    // Files may leave `network` out: those that were written when there was one network do.
    stage.network = networks::DefaultNetwork();
    stage.name = absl::StrCat("stages[", index, "]");
    if (node.IsMap()) {
      // What is no name stays out of all later messages: it may be long.
      if (const YAML::Node name = node["name"]; name && name.IsScalar() && IsName(name.Scalar())) {
        stage.name = name.Scalar();
      }
      if (const YAML::Node kind = node["kind"]; kind && kind.IsScalar()) {
        stage.kind = stages::FindStageKind(kind.Scalar());
      }
    }
    pipeline_.stages.push_back(std::move(stage));
    places_.push_back({.node = node});
  }

  void ReadStage(const YAML::Node& node, size_t index) {
    static const std::vector<std::string> kKeys = {
        "name",    "kind",    "network", "spec",  "overrides", "options",
        "inputs",  "outputs", "reads",   "gates", "retries",   "after"};
    StageSpec& stage = pipeline_.stages[index];
    std::map<std::string, YAML::Node> fields;
    for (const auto& [key, value] : reader_.Mapping(node, stage.name, kKeys)) {
      fields.emplace(key.Scalar(), value);
    }
    if (!node.IsMap() || !CheckIdentity(node, fields, index)) return;
    for (const auto& [key, value] : fields) ReadField(key, value, index);
    if (stage.options == nullptr) stage.options.reset(stage.kind->options->New());
    CheckComplete(node, stage);
  }

  // False when there is no kind to check the rest against.
  bool CheckIdentity(const YAML::Node& node, const std::map<std::string, YAML::Node>& fields,
                     size_t index) {
    const std::string& name = pipeline_.stages[index].name;
    if (!fields.contains("name")) {
      reader_.Add(node, name, "has no name");
    } else if (!IsName(name)) {
      const YAML::Node& written = fields.at("name");
      AddNotAName(written, name + ".name", written.IsScalar() ? written.Scalar() : "");
    } else if (std::any_of(pipeline_.stages.begin(), pipeline_.stages.begin() + index,
                           [&name](const StageSpec& earlier) { return earlier.name == name; })) {
      reader_.Add(fields.at("name"), name, "is the name of an earlier stage too");
    }
    if (!fields.contains("kind")) {
      reader_.Add(node, name, "has no kind; expected one of %s",
                  absl::StrJoin(stages::StageKindNames(), ", "));
    } else if (pipeline_.stages[index].kind == nullptr) {
      const YAML::Node& kind = fields.at("kind");
      const std::string text = kind.IsScalar() ? kind.Scalar() : "";
      reader_.Add(kind, name + ".kind", "is '%s'; expected one of %s%s", text,
                  absl::StrJoin(stages::StageKindNames(), ", "),
                  reader_.Hint(text, stages::StageKindNames()));
    }
    return pipeline_.stages[index].kind != nullptr;
  }

  void ReadField(const std::string& key, const YAML::Node& node, size_t index) {
    StageSpec& stage = pipeline_.stages[index];
    const std::string field = absl::StrCat(stage.name, ".", key);
    if (key == "network") {
      stage.network = reader_.Scalar(node, field);
    } else if (key == "spec") {
      ReadSpec(node, field, stage);
    } else if (key == "overrides") {
      stage.overrides = reader_.List(node, field);
    } else if (key == "options") {
      std::shared_ptr<google::protobuf::Message> options(stage.kind->options->New());
      reader_.Fields(node, field, *options);
      stage.options = std::move(options);
    } else if (key == "inputs") {
      stage.inputs = reader_.Pairs(node, field);
      CheckInputs(node, field, stage);
    } else if (key == "outputs") {
      stage.outputs = reader_.Pairs(node, field);
      CheckOutputs(node, field, stage);
    } else if (key == "reads") {
      stage.reads = reader_.List(node, field);
    } else if (key == "gates") {
      ReadGates(node, field, index);
    } else if (key == "retries") {
      ReadRetries(node, field, stage);
    } else if (key == "after") {
      for (const std::string& name : reader_.List(node, field)) {
        places_[index].mentions.push_back({name, node, field});
      }
    }
  }

  void ReadSpec(const YAML::Node& node, const std::string& field, StageSpec& stage) {
    if (!node.IsScalar()) {
      reader_.Add(node, field, "is neither a path nor a spec's text");
      return;
    }
    std::string text;
    if (IsInlineSpec(node.Scalar())) {
      text = node.Scalar();
      stage.spec_name = absl::StrCat(source_.name, ":", stage.name, ".spec");
    } else {
      const auto read = SpecFile(node.Scalar(), reader_.Scalar(node, field), stage);
      if (!read.ok()) {
        reader_.Add(node, field, "'%s' cannot be read: %s", node.Scalar(),
                    std::string(read.status().message()));
        return;
      }
      text = *read;
    }
    stage.spec_text = parameters_.Expand(text, stage.spec_name);
    if (stage.spec_text.empty() && !parameters_.exceeded()) reader_.Add(node, field, "is empty");
  }

  // The text that was sent along, or else the file's; kept for the next process.
  absl::StatusOr<std::string> SpecFile(const std::string& written, const std::string& expanded,
                                       StageSpec& stage) {
    // Said already; nothing more is read into memory.
    if (parameters_.exceeded()) return "";
    stage.spec_name = JoinPath(DirName(source_.name), expanded);
    const auto sent = source_.parameters.find(absl::StrCat(kSpecParameterPrefix, written));
    if (sent != source_.parameters.end()) {
      pipeline_.spec_files[written] = sent->second;
    } else if (source_.read_spec) {
      TY_ASSIGN_OR_RETURN(pipeline_.spec_files[written], source_.read_spec(stage.spec_name));
    } else {
      return absl::NotFoundError("its text was not sent");
    }
    return pipeline_.spec_files[written];
  }

  void CheckInputs(const YAML::Node& node, const std::string& field, const StageSpec& stage) {
    std::vector<std::string> known = stage.kind->required_inputs;
    known.insert(known.end(), stage.kind->optional_inputs.begin(),
                 stage.kind->optional_inputs.end());
    for (const auto& [name, uri] : stage.inputs) {
      if (absl::c_linear_search(known, name)) continue;
      reader_.Add(node, absl::StrCat(field, ".", name), "is no input of %s, which has %s%s",
                  stage.kind->name, known.empty() ? "none" : absl::StrJoin(known, ", "),
                  reader_.Hint(name, known));
    }
  }

  void CheckOutputs(const YAML::Node& node, const std::string& field, const StageSpec& stage) {
    std::vector<std::string> known;
    for (const stages::OutputPlace& place : stage.kind->outputs) known.push_back(place.name);
    for (const auto& [name, uri] : stage.outputs) {
      if (absl::c_linear_search(known, name)) continue;
      reader_.Add(node, absl::StrCat(field, ".", name), "cannot be placed by %s, which has %s%s",
                  stage.kind->name, absl::StrJoin(known, ", "), reader_.Hint(name, known));
    }
  }

  void ReadGates(const YAML::Node& node, const std::string& field, size_t index) {
    static const std::vector<std::string> kKeys = {"min", "max", "max_drop", "on_fail",
                                                  "retry"};
    Gates& gates = pipeline_.stages[index].gates;
    for (const auto& [key, value] : reader_.Mapping(node, field, kKeys)) {
      const std::string path = absl::StrCat(field, ".", key.Scalar());
      if (key.Scalar() == "min") {
        ReadBounds(value, path, gates.minimums);
      } else if (key.Scalar() == "max") {
        ReadBounds(value, path, gates.maximums);
      } else if (key.Scalar() == "max_drop") {
        ReadMaxDrop(value, path, index);
      } else if (key.Scalar() == "on_fail") {
        ReadOnFail(value, path, gates);
      } else {
        gates.retry_overrides = reader_.List(value, path);
      }
    }
    if (gates.empty()) reader_.Add(node, field, "holds none of min, max and max_drop");
    if (gates.on_fail == Gates::OnFail::kRetry && gates.retry_overrides.empty()) {
      reader_.Add(node, field, "retries without `retry` overrides; the result would be the same");
    }
  }

  void ReadBounds(const YAML::Node& node, const std::string& field,
                  std::vector<Gates::Bound>& bounds) {
    for (const auto& [metric, bound] : reader_.Mapping(node, field, {})) {
      if (const auto number = reader_.Number(bound, absl::StrCat(field, ".", metric.Scalar()))) {
        bounds.push_back({MetricName::Parse(metric.Scalar()), *number});
      }
    }
  }

  void ReadMaxDrop(const YAML::Node& node, const std::string& field, size_t index) {
    std::string from;
    std::vector<Gates::MaxDrop> drops;
    for (const auto& [key, value] : reader_.Mapping(node, field, {})) {
      const std::string path = absl::StrCat(field, ".", key.Scalar());
      if (key.Scalar() == "from") {
        from = reader_.Scalar(value, path);
        places_[index].mentions.push_back({from, value, path});
      } else if (const auto number = reader_.Number(value, path)) {
        drops.push_back({MetricName::Parse(key.Scalar()), *number, ""});
      }
    }
    if (from.empty()) reader_.Add(node, field, "has no `from`: the stage to compare with");
    for (Gates::MaxDrop& drop : drops) {
      drop.from = from;
      pipeline_.stages[index].gates.max_drops.push_back(drop);
    }
  }

  void ReadOnFail(const YAML::Node& node, const std::string& field, Gates& gates) {
    const std::string text = reader_.Scalar(node, field);
    if (text == "stop") {
      gates.on_fail = Gates::OnFail::kStop;
    } else if (text == "continue") {
      gates.on_fail = Gates::OnFail::kContinue;
    } else if (text == "retry") {
      gates.on_fail = Gates::OnFail::kRetry;
    } else {
      reader_.Add(node, field, "is '%s'; expected stop, continue or retry", text);
    }
  }

  void ReadRetries(const YAML::Node& node, const std::string& field, StageSpec& stage) {
    const std::string text = reader_.Scalar(node, field);
    if (!absl::SimpleAtoi(text, &stage.retries) || stage.retries < 0 || stage.retries > 100) {
      reader_.Add(node, field, "is '%s'; expected a whole number from 0 to 100", text);
    }
  }

  void CheckComplete(const YAML::Node& node, const StageSpec& stage) {
    for (const std::string& name : stage.kind->required_inputs) {
      const bool there = absl::c_any_of(
          stage.inputs, [&name](const auto& input) { return input.first == name; });
      if (!there) {
        reader_.Add(node, absl::StrCat(stage.name, ".inputs.", name), "is missing; %s reads it",
                    stage.kind->name);
      }
    }
    if (stage.kind->needs_spec && !node["spec"]) {
      reader_.Add(node, absl::StrCat(stage.name, ".spec"), "is missing; %s needs one",
                  stage.kind->name);
    }
    if (!node["spec"] && (!stage.overrides.empty() || !stage.gates.retry_overrides.empty())) {
      reader_.Add(node, stage.name + (stage.overrides.empty() ? ".gates.retry" : ".overrides"),
                  "is given, and there is no spec that it changes");
    }
    if (!stage.gates.retry_overrides.empty() && !stage.outputs.empty()) {
      reader_.Add(node, stage.name + ".gates.retry",
                  "is given with `outputs`, whose places the second try would find taken by the first; "
                  "leave `outputs` out, and each try has a folder of its own");
    }
    if (!stage.kind->spec.has_value() && node["spec"]) {
      reader_.Add(node["spec"], absl::StrCat(stage.name, ".spec"), "is given, but %s takes none",
                  stage.kind->name);
    }
  }

  const PipelineSource& source_;
  YamlReader reader_;
  Parameters parameters_;
  Pipeline pipeline_;
  std::vector<StagePlace> places_;
};

}  // namespace

absl::StatusOr<Pipeline> ParsePipeline(const PipelineSource& source) {
  if (source.name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("pipeline_name has ", source.name.size(),
                                                   " bytes; at most ", kMaxNameBytes,
                                                   " are taken"));
  }
  TY_ASSIGN_OR_RETURN(const YAML::Node root, LoadYaml(source.text, source.name));
  try {
    return PipelineParser(source).Parse(root);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(source.name, " cannot be read: ", error.msg));
  }
}

std::vector<std::string> SpecFilesOf(absl::string_view pipeline_text) {
  std::vector<std::string> paths;
  // ParsePipeline says what is wrong with a text that cannot be read.
  const auto root = LoadYaml(pipeline_text, "");
  if (!root.ok() || !root->IsMap()) return paths;
  const YAML::Node stages = (*root)["stages"];
  if (!stages || !stages.IsSequence()) return paths;
  for (const YAML::Node& stage : stages) {
    if (!stage.IsMap() || !stage["spec"] || !stage["spec"].IsScalar()) continue;
    const std::string spec = stage["spec"].Scalar();
    if (!IsInlineSpec(spec) && !absl::c_linear_search(paths, spec)) paths.push_back(spec);
  }
  return paths;
}

}  // namespace trainyard::orchestrator
