// The exit codes of docs/cli.md, from commands that talk to services in this process
// over their addresses: 0 done, 1 failed, 2 usage, 3 cancelled, 64 + c a call that ended with code
// c.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "cli/command_line.h"
#include "cli/signal_watch.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/sealing/model_file.h"
#include "libs/service/server.h"
#include "libs/worker/rpc_status.h"
#include "services/stage_request/stage_program.h"
#include "tests/support/service_operations.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"
#include "trainyard/v1/prune.grpc.pb.h"

namespace trainyard::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::trainyard::testing::Gate;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::TemporaryFolder;

class PruneService final : public services::StageHandlers<v1::PruneService> {
 public:
  using StageHandlers::StageHandlers;
  grpc::ServerUnaryReactor* Prune(grpc::CallbackServerContext* context,
                                  const v1::PruneRequest* request,
                                  google::longrunning::Operation* response) override {
    return Start(context, request, response);
  }
};

// Runs that ended, by their names. The answer to the first start is lost.
class EndedRuns final : public v1::OrchestratorService::Service {
 public:
  std::vector<std::string> request_ids;

 private:
  grpc::Status StartRun(grpc::ServerContext*, const v1::StartRunRequest* request,
                        v1::StartRunResponse* response) override {
    request_ids.push_back(request->request_id());
    if (request_ids.size() == 1) return {grpc::StatusCode::UNAVAILABLE, "connection reset"};
    response->mutable_run()->set_name("runs/good");
    return grpc::Status::OK;
  }
  grpc::Status GetRun(grpc::ServerContext*, const v1::GetRunRequest* request,
                      v1::GetRunResponse* response) override {
    v1::Run& run = *response->mutable_run();
    run.set_name(request->name());
    if (request->name() == "runs/good") {
      run.set_state(v1::Run::SUCCEEDED);
      run.add_stages()->set_name("convert");
      run.mutable_stages(0)->set_state(v1::Run::SUCCEEDED);
      run.mutable_stages(0)->add_notes("3 lines of labels were left out");
    } else if (request->name() == "runs/cancelled") {
      run.set_state(v1::Run::CANCELLED);
    } else if (request->name() == "runs/failed") {
      run.set_state(v1::Run::FAILED);
      *run.mutable_error() = worker::RpcStatusFrom(absl::DataLossError("a shard is damaged"));
    } else {
      return {grpc::StatusCode::NOT_FOUND, "no such run"};
    }
    return grpc::Status::OK;
  }
};

class ExitCodesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    services::StageTable table{.service = "prune"};
    table.stages.push_back(
        {.kind = stages::FindStageKind("prune"),
         .prepare = [this](const auto&, const auto&, auto) { return prepared_; }});
    const service::ServiceProgram program = services::StageProgram<PruneService>(table);
    service::ServerOptions options;
    options.service = "prune";
    options.workspace = folder_.Folder("work");
    options.state_dir = folder_ / "state";
    auto server = service::Server::Start(options, program.factory);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  // A stage command at the server.
  int Prune(const std::string& address) {
    return RunCommandLine(
        {"ssd", "prune", "-m", "a.tlt", "-o", "b.tlt", "-q", "--endpoint", address});
  }
  int Prune() { return Prune(server_->address()); }
  int Operations(const std::string& verb, const std::string& name) {
    return RunCommandLine({"operations", verb, name, "-q", "--endpoint", server_->address()});
  }
  // Starts an operation and gives its name.
  std::string Submit() {
    const auto operation = server_->operations().Start("prune", v1::PruneRequest());
    EXPECT_THAT(operation, IsOk());
    return operation->name();
  }

  // Signals are asked for as in the program.
  SignalWatch signals_;
  TemporaryFolder folder_;
  Gate gate_;
  // What the service says of the next request.
  absl::StatusOr<service::StageRun> prepared_ =
      service::StageRun([](service::OperationContext&) { return v1::StageResult(); });
  std::unique_ptr<service::Server> server_;
};

TEST_F(ExitCodesTest, AStageThatSucceedsEndsWith0) {
  EXPECT_EQ(Prune(), 0);
  const std::string name = Submit();
  EXPECT_EQ(Operations("watch", name), 0);
  EXPECT_EQ(Operations("get", name), 0);
}

TEST_F(ExitCodesTest, AStageThatFailsEndsWith1AlsoWhenWatched) {
  prepared_ = service::StageRun([](service::OperationContext&) -> absl::StatusOr<v1::StageResult> {
    return absl::DataLossError("the model is damaged");
  });
  EXPECT_EQ(Prune(), 1);
  const std::string name = Submit();
  EXPECT_EQ(Operations("watch", name), 1);
  // To look at a failed operation is no failure.
  EXPECT_EQ(Operations("get", name), 0);
}

TEST_F(ExitCodesTest, WhatTheWorkFindsIsToldInFlagsToo) {
  prepared_ = service::StageRun([](service::OperationContext&) -> absl::StatusOr<v1::StageResult> {
    return absl::InvalidArgumentError("options.remove is more than can go");
  });
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Prune(), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("INVALID_ARGUMENT: --remove is more than can go"));
}

TEST_F(ExitCodesTest, AKeyFileOfSeveralLinesIsWarnedOfWhereItIsRead) {
  const std::string model = folder_ / "model.tlt";
  ASSERT_THAT(sealing::SaveSealed(model, sealing::SealedKind::kCheckpoint, {{"record", ""}}, ""),
              IsOk());
  std::vector<std::string> words = {
      "ssd", "prune", "-m", model, "-o", folder_ / "new.tlt", "--dry-run", "-q",
      "-k", "file:" + folder_.Write("key", "the key\nsecond\n")};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine(words), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("key' has more than one line; the first is the key"));
  words.insert(words.end(), {"--endpoint", server_->address()});
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine(words), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), Not(HasSubstr("key' has more than one")))
      << "the service has its own files";
}

// In this process, where the worker says that the model is none.
TEST_F(ExitCodesTest, APrunedModelIsOneWhateverItsEndingAndItIsSaid) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"ssd", "prune", "-m", folder_.Write("model.tlt", "a model"), "-o",
                            folder_ / "new.hdf5", "-q"}),
            1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("new.hdf5' is a .tlt, whatever its ending"));
}

TEST_F(ExitCodesTest, ACalibrationTableThatIsNotThereIsNoTableUnlessItCouldBeWritten) {
  const std::string model = folder_ / "model.etlt";
  ASSERT_THAT(sealing::SaveSealed(model, sealing::SealedKind::kExport, {{"record", ""}}, ""),
              IsOk());
  std::vector<std::string> words = {
      "ssd", "gen_trt_engine", "-m", model, "--engine_file", folder_ / "new.engine", "--data_type",
      "int8", "--dry-run", "--cal_cache_file", folder_ / "typo.bin"};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine(words), 64 + 5);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("--cal_cache_file"), HasSubstr("typo.bin' is not there")));
  words.insert(words.end(), {"--cal_image_dir", folder_.Folder("images")});
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine(words), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("no table is written"));
}

TEST_F(ExitCodesTest, AStageThatIsCancelledEndsWith3) {
  prepared_ = service::StageRun(
      [this](service::OperationContext& context) -> absl::StatusOr<v1::StageResult> {
        TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
        return v1::StageResult();
      });
  const std::string name = Submit();
  gate_.AwaitArrivals(1);
  EXPECT_EQ(Operations("cancel", name), 0);
  EXPECT_EQ(Operations("watch", name), 3);
}

TEST_F(ExitCodesTest, ARefusedCallEndsWith64AndItsCode) {
  prepared_ = absl::InvalidArgumentError("options.granularity is 0; expected at least 1");
  EXPECT_EQ(Prune(), 64 + 3);
  // The call's own code, though it is that of a cancelled operation.
  prepared_ = absl::CancelledError("the caller went away");
  EXPECT_EQ(Prune(), 64 + 1);
  EXPECT_EQ(Operations("watch", "operations/prune/r1/none"), 64 + 5);
  EXPECT_EQ(Prune("127.0.0.1:1"), 64 + 14);
}

TEST_F(ExitCodesTest, ARequestThatIsOnlyCheckedEndsAsTheCheck) {
  const std::vector<std::string> words = {"ssd", "prune",     "-m",         "a.tlt",           "-o",
                                          "b",   "--dry-run", "--endpoint", server_->address()};
  EXPECT_EQ(RunCommandLine(words), 0);
  std::vector<std::string> as_json = words;
  as_json.push_back("--json");
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine(as_json), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "{\"valid\":true}\n");
  prepared_ = absl::NotFoundError("no model");
  EXPECT_EQ(RunCommandLine(words), 64 + 5);
}

TEST_F(ExitCodesTest, AnotherServiceAtTheAddressIsNamed) {
  const std::string address = server_->address();
  const std::string spec = folder_.Write("spec.txt", SmallSsdSpec());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"ssd", "train", "-e", spec, "-r", "out", "--endpoint", address},
        {"operations", "list", "train", "--endpoint", address}}) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(RunCommandLine(words), 64 + 12);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("the service that answers there is 'prune'; this command needs 'train'"));
  }
}

TEST_F(ExitCodesTest, AListIsAnObjectALineAsJson) {
  const std::string name = Submit();
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(
      RunCommandLine({"operations", "list", "prune", "--json", "--endpoint", server_->address()}),
      0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), StartsWith("{\"name\":\"" + name));
}

// The fields of a JSON object, which have no order.
google::protobuf::Map<std::string, google::protobuf::Value> FieldsOf(const std::string& json) {
  google::protobuf::Struct object;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &object).ok()) << json;
  return object.fields();
}

TEST_F(ExitCodesTest, ToolsAnswerInJsonToo) {
  const std::string parts = folder_ / "parts";
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"sample-data", parts, "--train", "2", "--val", "1", "--json"}), 0);
  auto made = FieldsOf(::testing::internal::GetCapturedStdout());
  EXPECT_EQ(made["folder"].string_value(), parts);
  EXPECT_EQ(made["train"].number_value(), 2);
  EXPECT_EQ(made["val"].number_value(), 1);
  EXPECT_EQ(made["task"].string_value(), "detection");
  const std::string shapes = folder_ / "shapes";
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"sample-data", "--task", "classification", "-o", shapes, "--train",
                            "6", "--val", "5", "--test", "5", "--size", "64x64", "--json"}),
            0);
  made = FieldsOf(::testing::internal::GetCapturedStdout());
  EXPECT_EQ(made["folder"].string_value(), shapes);
  EXPECT_EQ(made["task"].string_value(), "classification");
  EXPECT_EQ(made["train"].number_value(), 6);
  EXPECT_EQ(made["test"].number_value(), 5);
  EXPECT_TRUE(FolderExists(shapes + "/test/washer"));
  const std::string missing = folder_ / "missing.tlt";
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"inspect", missing, "--json"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              AllOf(StartsWith("{\"code\":5"), HasSubstr("missing.tlt")));
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"compare", missing, missing, "--json"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              AllOf(StartsWith("{\"code\":5"), HasSubstr("missing.tlt")));
  setenv("TRAINYARD_CONTEXTS", (folder_ / "contexts.yaml").c_str(), 1);
  EXPECT_EQ(RunCommandLine({"context", "set", "lab", "--endpoint", "lab:7000"}), 0);
  EXPECT_EQ(RunCommandLine({"context", "set", "yard", "--service", "train=yard:7"}), 0);
  EXPECT_EQ(RunCommandLine({"context", "use", "yard"}), 0);
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"context", "list", "--json"}), 0);
  const std::vector<std::string> lines =
      absl::StrSplit(::testing::internal::GetCapturedStdout(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2);
  auto lab = FieldsOf(lines[0]), yard = FieldsOf(lines[1]);
  EXPECT_EQ(lab["name"].string_value(), "lab");
  EXPECT_EQ(lab["endpoint"].string_value(), "lab:7000");
  EXPECT_FALSE(lab["default"].bool_value());
  EXPECT_EQ(yard["name"].string_value(), "yard");
  EXPECT_EQ(yard["services"].struct_value().fields().at("train").string_value(), "yard:7");
  EXPECT_TRUE(yard["default"].bool_value());
  unsetenv("TRAINYARD_CONTEXTS");
}

TEST_F(ExitCodesTest, EditsOfContextsAnswerInJsonToo) {
  setenv("TRAINYARD_CONTEXTS", (folder_ / "contexts.yaml").c_str(), 1);
  const auto answer = [](std::vector<std::string> words) {
    words.insert(words.begin(), "context");
    words.push_back("--json");
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(RunCommandLine(words), 0);
    return FieldsOf(::testing::internal::GetCapturedStdout());
  };
  auto set = answer({"set", "lab", "--endpoint", "lab:7000"});
  EXPECT_EQ(set["name"].string_value(), "lab");
  EXPECT_EQ(set["endpoint"].string_value(), "lab:7000");
  EXPECT_FALSE(set["default"].bool_value());
  EXPECT_TRUE(answer({"use", "lab"})["default"].bool_value());
  EXPECT_EQ(answer({"use", "none"})["endpoint"].string_value(), "");
  EXPECT_EQ(answer({"remove", "lab"})["endpoint"].string_value(), "lab:7000");
  unsetenv("TRAINYARD_CONTEXTS");
}

TEST_F(ExitCodesTest, AContextCannotHaveTheNameThatEndsTheUseOfOne) {
  setenv("TRAINYARD_CONTEXTS", (folder_ / "contexts.yaml").c_str(), 1);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"context", "set", "none", "--endpoint", "lab:7000"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("name is 'none'"));
  unsetenv("TRAINYARD_CONTEXTS");
}

TEST_F(ExitCodesTest, SampleDataSpeaksOfItsFlags) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"sample-data", folder_ / "parts", "--train", "-5", "--size", "9x9"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("--train and --val are -5 and 100"),
                    HasSubstr("the width of --size is 9; ")));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"sample-data", folder_ / "shapes", "--task", "classification",
                            "--train", "3", "--test", "-1", "--size", "64x9"}),
            1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("--train is 3; "), HasSubstr("--test is -1; "),
                    HasSubstr("the height of --size is 9; ")));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"sample-data", folder_ / "parts", "--test", "5"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("--test goes with --task classification"));
  EXPECT_EQ(RunCommandLine({"sample-data", folder_ / "parts", "--task", "segmentation"}), 2);
}

TEST_F(ExitCodesTest, NumbersThatNoFlagMeansAreWrongUsage) {
  const std::string parts = folder_ / "parts";
  EXPECT_EQ(RunCommandLine({"data", "check"}), 2);
  EXPECT_EQ(RunCommandLine({"data", "check", parts, "--format", "mat"}), 2);
  EXPECT_EQ(RunCommandLine({"data", "check", parts, "--threads", "0"}), 2);
  EXPECT_EQ(RunCommandLine({"sample-data", parts, "--seed", "-1"}), 2);
  EXPECT_EQ(RunCommandLine({"sample-data", parts, "--size", "320x240x9"}), 2);
  EXPECT_EQ(RunCommandLine({"ssd", "dataset_convert", "-d", "s", "-o", "t", "--random_seed", "-1"}),
            2);
  EXPECT_EQ(RunCommandLine({"ssd", "prune", "-m", "a.tlt", "-o", "b.tlt", "--threads", "-3"}), 2);
}

TEST_F(ExitCodesTest, FlagsThatWouldBeIgnoredAreErrors) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"ssd", "prune", "-m", "a.tlt", "-o", "b.tlt", "--remove", "0.5",
                            "-pth", "0.5"}),
            2);
  EXPECT_EQ(RunCommandLine({"ssd", "prune", "-m", "a.tlt", "-o", "b.tlt", "--set", "a=1"}), 2);
  EXPECT_EQ(RunCommandLine({"ssd", "train", "-e", folder_.Write("s.txt", SmallSsdSpec()), "-r",
                            "out", "--gpu_index", "0", "1"}),
            2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("--remove searches the threshold that -pth gives"),
                    HasSubstr("--set a=1 changes a spec, and this command was given none"),
                    HasSubstr("--gpu_index names 2 GPUs; several GPUs are not offered")));
}

TEST_F(ExitCodesTest, ALogIsAppendedToLogsOnly) {
  const auto prune_with_log = [this](const std::string& model, const std::string& log) {
    return RunCommandLine({"ssd", "prune", "-m", model, "-o", folder_ / "new.tlt", "-q",
                           "--log_file", log, "--endpoint", server_->address()});
  };
  const std::string model = folder_.Write("model.tlt", "a model");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(prune_with_log("a.tlt", model), 2);
  EXPECT_EQ(prune_with_log(model, model), 2);
  EXPECT_EQ(prune_with_log(model, folder_ / "./new.tlt"), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("model.tlt', which is there and is no log of ours"),
                    HasSubstr("model.tlt', which --model names too"),
                    HasSubstr("new.tlt', which --output_file names too")));
  EXPECT_EQ(*ReadFile(model), "a model");
  EXPECT_EQ(prune_with_log(
                model, folder_.Write("log", "2026-11-29T18:08:34.123456Z info    started\n")),
            0);
  EXPECT_EQ(prune_with_log(model, folder_ / "new.log"), 0);
  ASSERT_THAT(StartLogging({}), IsOk());
}

TEST_F(ExitCodesTest, WhatNamesNoServiceIsWrongUsage) {
  EXPECT_EQ(Operations("watch", "7"), 2);
  EXPECT_EQ(Operations("list", "prne"), 2);
  EXPECT_EQ(RunCommandLine({"operations", "list", "prune", "--endpoint", "host"}), 2);
  EXPECT_EQ(RunCommandLine({"runs", "--context", "not there"}), 2);
}

TEST_F(ExitCodesTest, WhatNamesNoServicesIsSaid) {
  const std::string spec = folder_.Write("s.txt", SmallSsdSpec());
  ::testing::internal::CaptureStderr();
  for (const std::string& file : {folder_.Folder("folder"), folder_.Write("empty.yaml", ""),
                                  folder_.Write("word.yaml", "train\n"), std::string("/dev/zero")}) {
    EXPECT_EQ(RunCommandLine({"ssd", "train", "-e", spec, "-r", "out", "--services", file}), 2);
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("folder' is a folder"), HasSubstr("empty.yaml: names no services"),
                    HasSubstr("word.yaml: names no services"), HasSubstr("'/dev/zero' is a device")));
}

TEST_F(ExitCodesTest, APipelineMayFollowItsParametersAndNoneOfThemIsGivenTwice) {
  const std::string pipeline = folder_.Write("p.yaml", "version: 1\n");
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "run");
    words.insert(words.end(), {pipeline, "--endpoint", server_->address(), "--no-wait"});
    return RunCommandLine(words);
  };
  EXPECT_EQ(run({"-p", "a=1", "-p", "b=2"}), 64 + 12) << "sent, to a service that knows no runs";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run({"-p", "a=1", "-p", "a=2"}), 2);
  EXPECT_EQ(run({"-p", "data=x", "--data", "y"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("-p names 'a' twice"), HasSubstr("--data and -p data=")));
}

TEST_F(ExitCodesTest, FilesThatAreNotThereAreWrongUsage) {
  const std::string missing = folder_ / "missing";
  EXPECT_EQ(RunCommandLine({"ssd", "train", "-e", missing, "-r", "out"}), 2);
  EXPECT_EQ(RunCommandLine({"run", missing}), 2);
  EXPECT_EQ(RunCommandLine({"spec", "check", missing}), 2);
  EXPECT_EQ(RunCommandLine({"ssd", "train", "--services", missing, "-e", "s", "-r", "out"}), 2);
}

TEST_F(ExitCodesTest, ASpecThatIsWrongEndsWith1AndAWrongFlagWith2) {
  const std::string good = folder_.Write("good.txt", SmallSsdSpec());
  const std::string bad = folder_.Write("bad.txt", "ssd_config { nlayers: 11 }");
  EXPECT_EQ(RunCommandLine({"spec", "check", good}), 0);
  EXPECT_EQ(RunCommandLine({"spec", "check", bad}), 1);
  const std::string blur = folder_.Write(
      "blur.txt",
      "blur_config { size: 3 std: 1 } dataset_config { image_path: 'i' label_path: 'l' }");
  EXPECT_EQ(RunCommandLine({"spec", "check", blur}), 0);
  EXPECT_EQ(RunCommandLine({"spec", "check", good, "--kind", "sdd"}), 2);
  EXPECT_EQ(RunCommandLine({"spec", "check", good, "--task", "exprot"}), 2);
  EXPECT_EQ(RunCommandLine({"sample-data", folder_ / "parts", "--size", "big"}), 2);
  EXPECT_EQ(RunCommandLine({"inspect", good}), 1);
}

// A server of `runs` and its address.
std::pair<std::unique_ptr<grpc::Server>, std::string> Serve(EndedRuns& runs) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&runs);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  return {std::move(server), "127.0.0.1:" + std::to_string(port)};
}

TEST_F(ExitCodesTest, AStartWhoseAnswerIsLostIsSentAgainAsTheSameOne) {
  EndedRuns runs;
  const auto [server, address] = Serve(runs);
  const std::string pipeline = folder_.Write("p.yaml", "version: 1\n");
  EXPECT_EQ(RunCommandLine({"run", pipeline, "--no-wait", "--endpoint", address}), 0);
  ASSERT_EQ(runs.request_ids.size(), 2);
  EXPECT_EQ(runs.request_ids[0].size(), 36);
  EXPECT_EQ(runs.request_ids[0], runs.request_ids[1]);
}

TEST_F(ExitCodesTest, ARunEndsAsItsState) {
  EndedRuns runs;
  const auto [server, address] = Serve(runs);
  const auto watch = [&, &address = address](const std::string& name) {
    return RunCommandLine({"runs", "watch", name, "-q", "--endpoint", address});
  };
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(watch("runs/good"), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("[1 of 1] convert: 3 lines of labels were left out\n"))
      << "with -q, too";
  EXPECT_EQ(watch("runs/cancelled"), 3);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(watch("runs/failed"), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("a shard is damaged"));
  EXPECT_EQ(watch("runs/none"), 64 + 5);
}

}  // namespace
}  // namespace trainyard::cli
