#include <memory>
#include <string>

#include "cli/commands.h"
#include "libs/base/files.h"
#include "trainyard/v1/convert.grpc.pb.h"

namespace trainyard::cli {

void AddSessionFlags(CLI::App& command, Session& session) {
  command.add_option("--endpoint", session.house.endpoint,
                     "host:port of a running service (in process otherwise)");
  command.add_option_function<std::string>(
      "--services",
      [&session](const std::string& path) {
        auto addresses = LoadAddresses(path);
        if (!addresses.ok()) {
          throw CLI::ValidationError("--services", std::string(addresses.status().message()));
        }
        session.house.addresses = *std::move(addresses);
      },
      "YAML file of running services: {train: host:port, ...}");
  command.add_option("--threads", session.house.threads, "threads of in-process services (all)");
  command.add_flag("--json", session.output.json, "one JSON object a line on stdout");
  command.add_flag("-q,--quiet", session.output.quiet, "no progress");
  command.add_flag("--no-wait", session.no_wait, "print the operation's name and end (--endpoint)");
  command.add_flag("--dry-run", session.validate_only, "only check the request");
  command.add_option("--log_file", session.log_file, "write the log there");
}

absl::Status ReadSpecInto(v1::StageInput& stage, const std::string& path,
                          const std::vector<std::string>& overrides) {
  auto text = ReadFile(path, 4 << 20);
  if (!text.ok()) return text.status();
  stage.set_spec_text(*std::move(text));
  stage.set_spec_name(path);
  for (const std::string& change : overrides) stage.add_overrides(change);
  return absl::OkStatus();
}

void AddAugmentCommand(CLI::App& app, Run& run) {
  struct Flags {
    Session session;
    std::string spec, output, root;
    std::vector<std::string> overrides;
    bool verbose = false, strict = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *app.add_subcommand("augment", "write an augmented copy of a KITTI data set");
  command.add_option("-a,--spec,--augmentation_spec", flags->spec, "augmentation spec file")->required();
  command.add_option("-o,--output,--output_dataset", flags->output, "folder to write")->required();
  command.add_option("-d,--dataset_root", flags->root, "folder the spec's paths lie in")->required();
  command.add_option("--set", flags->overrides, "change the spec: path=value (repeatable)");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  command.add_flag("-v,--verbose", flags->verbose, "accepted for TAO; no effect");
  AddSessionFlags(command, flags->session);
  command.callback([&run, flags] {
    run = [flags] {
      v1::AugmentRequest request;
      v1::StageInput& stage = *request.mutable_stage();
      stage.set_network("ssd");
      const auto status = ReadSpecInto(stage, flags->spec, flags->overrides);
      if (!status.ok()) return PrintFailure(flags->session.output, status, FailedAt::kUsage);
      AddInput(stage, "root", flags->root);
      AddOutput(stage, "dataset", flags->output);
      request.mutable_options()->set_strict(flags->strict);
      return RunStage(flags->session, "convert", request, [](const auto& channel) {
        return v1::ConvertService::NewStub(channel);
      }, &v1::ConvertService::Stub::Augment);
    };
  });
}

}  // namespace trainyard::cli
