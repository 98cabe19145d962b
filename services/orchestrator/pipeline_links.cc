#include "services/orchestrator/pipeline_links.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/orchestrator/references.h"

namespace trainyard::orchestrator {
namespace {

class StageLinker {
 public:
  StageLinker(YamlReader& reader, const std::vector<StagePlace>& places,
              std::vector<StageSpec>& stages)
      : reader_(reader), places_(places), stages_(stages) {}

  // Finds what a stage waits for: its references, its gates and `after`.
  void Connect(size_t index) {
    StageSpec& stage = stages_[index];
    for (const auto& [name, node, field] : places_[index].mentions) {
      AddNeed(index, name, node, field);
    }
    const YAML::Node& node = places_[index].node;
    FollowReferences(index, stage.spec_text, node, stage.name + ".spec");
    for (const auto& text : stage.overrides) {
      FollowReferences(index, text, node, stage.name + ".overrides");
    }
    for (const auto& text : stage.gates.retry_overrides) {
      FollowReferences(index, text, node, stage.name + ".gates.retry");
    }
    for (const auto& text : stage.reads) FollowReferences(index, text, node, stage.name + ".reads");
    for (const auto& [name, uri] : stage.inputs) {
      FollowReferences(index, uri, node, absl::StrCat(stage.name, ".inputs.", name));
    }
    for (const auto& [name, uri] : stage.outputs) {
      FollowReferences(index, uri, node, absl::StrCat(stage.name, ".outputs.", name));
    }
    absl::c_sort(stage.needs);
    stage.needs.erase(std::unique(stage.needs.begin(), stage.needs.end()), stage.needs.end());
  }

  // What one stage makes, and its record tells of, another must not replace.
  void FindSharedOutputs() {
    static const std::set<std::string> kWhole = {"dataset", "model", "onnx", "engine"};
    std::map<std::string, std::string> makers;
    for (size_t i = 0; i < stages_.size(); ++i) {
      for (const auto& [name, uri] : stages_[i].outputs) {
        if (!kWhole.contains(name) || makers.emplace(uri, stages_[i].name).second) continue;
        reader_.Add(places_[i].node, absl::StrCat(stages_[i].name, ".outputs.", name),
                    "is '%s', where stage '%s' writes, too; give each a place of its own", uri,
                    makers[uri]);
      }
    }
  }

  // Takes away stages whose needs are met until nothing changes; what stays waits for itself.
  void FindCircles() {
    std::vector<bool> done(stages_.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < done.size(); ++i) {
        if (done[i] || !absl::c_all_of(stages_[i].needs, [&](int n) { return done[n]; })) {
          continue;
        }
        done[i] = changed = true;
      }
    }
    const size_t first = absl::c_find(done, false) - done.begin();
    if (first == done.size()) return;
    // Walking along unmet needs must come back to a stage already walked.
    std::vector<size_t> walk;
    size_t at = first;
    while (!absl::c_linear_search(walk, at)) {
      walk.push_back(at);
      for (int need : stages_[at].needs) {
        if (!done[need]) at = need;
      }
    }
    std::vector<std::string> circle;
    for (auto it = absl::c_find(walk, at); it != walk.end(); ++it) {
      circle.push_back(stages_[*it].name);
    }
    circle.push_back(stages_[at].name);
    reader_.Add(places_[at].node, "stages", "wait for each other: %s",
                absl::StrJoin(circle, " -> "));
  }

 private:
  void FollowReferences(size_t index, const std::string& text, const YAML::Node& node,
                        const std::string& field) {
    const auto references = FindReferences(text);
    if (!references.ok()) {
      reader_.Add(node, field, "%s", std::string(references.status().message()));
      return;
    }
    for (const Reference& reference : *references) {
      if (reference.name == "results" || reference.name == "run") continue;
      const auto output = ParseOutputReference(reference.name);
      if (!output.has_value()) {
        reader_.Add(node, field,
                    "refers to '${%s}'; expected ${param.NAME}, ${stage.NAME.outputs.OUTPUT}, "
                    "${results} or ${run}",
                    reference.name);
        continue;
      }
      const int needed = AddNeed(index, output->stage, node, field);
      if (needed < 0 || stages_[needed].kind == nullptr) continue;
      const std::vector<std::string>& known = stages_[needed].kind->reported_outputs;
      if (!absl::c_linear_search(known, output->output)) {
        reader_.Add(node, field, "refers to output '%s' of stage '%s', which reports %s%s",
                    output->output, output->stage, absl::StrJoin(known, ", "),
                    reader_.Hint(output->output, known));
      }
    }
  }

  // The index of the stage `name`; -1 and a note when there is none.
  int AddNeed(size_t index, const std::string& name, const YAML::Node& node,
              const std::string& field) {
    const auto found =
        absl::c_find_if(stages_, [&name](const StageSpec& stage) { return stage.name == name; });
    if (found == stages_.end()) {
      std::vector<std::string> known;
      for (const StageSpec& stage : stages_) known.push_back(stage.name);
      reader_.Add(node, field, "refers to stage '%s', which is not in the pipeline%s", name,
                  reader_.Hint(name, known));
      return -1;
    }
    const int needed = static_cast<int>(found - stages_.begin());
    stages_[index].needs.push_back(needed);
    return needed;
  }

  YamlReader& reader_;
  const std::vector<StagePlace>& places_;
  std::vector<StageSpec>& stages_;
};

}  // namespace

void LinkStages(YamlReader& reader, const std::vector<StagePlace>& places,
                std::vector<StageSpec>& stages) {
  StageLinker linker(reader, places, stages);
  for (size_t i = 0; i < stages.size(); ++i) linker.Connect(i);
  linker.FindSharedOutputs();
  linker.FindCircles();
}

}  // namespace trainyard::orchestrator
