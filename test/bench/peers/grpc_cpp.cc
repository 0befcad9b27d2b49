// gRPC C++ as bench_rpc's peer: unary calls over a Unix socket between two processes, by completion
// queues at both ends, which is its fastest form. A call's end starts the next.
//
//   grpc_cpp OUTSTANDING MS     prints calls a second, p50 µs, p99 µs, CPU µs a call (of both)
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "grpc_call.grpc.pb.h"

namespace {

constexpr size_t kRequestBytes = 62;   // 64 packed
constexpr size_t kResponseBytes = 509; // 512 packed
// Calls that the server has asked for at once.
constexpr int kServerCalls = 256;
constexpr auto kWarmUp = std::chrono::milliseconds(300);

using Clock = std::chrono::steady_clock;

grpc::ChannelArguments arguments()
{
    grpc::ChannelArguments args;
    args.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
    args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    return args;
}

// --- the server's process ---

struct ServerCall {
    peer::Calls::AsyncService *service;
    grpc::ServerCompletionQueue *queue;
    std::unique_ptr<grpc::ServerContext> context;
    peer::Request request;
    std::unique_ptr<grpc::ServerAsyncResponseWriter<peer::Response>> writer;
    bool answered = false;

    void ask()
    {
        answered = false;
        writer.reset();
        context = std::make_unique<grpc::ServerContext>();
        writer = std::make_unique<grpc::ServerAsyncResponseWriter<peer::Response>>(context.get());
        service->RequestCall(context.get(), &request, writer.get(), queue, queue, this);
    }

    void proceed()
    {
        if (answered) {
            ask();
            return;
        }
        answered = true;
        peer::Response response;
        bool right = request.bytes().size() == kRequestBytes;
        response.mutable_bytes()->assign(right ? kResponseBytes : 0,
                                         right ? static_cast<char>(request.bytes()[0] + 1) : 0);
        writer->Finish(response, grpc::Status::OK, this);
    }
};

int serve(const char *address)
{
    peer::Calls::AsyncService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.AddChannelArgument(GRPC_ARG_MINIMAL_STACK, 1);
    builder.RegisterService(&service);
    auto queue = builder.AddCompletionQueue();
    auto server = builder.BuildAndStart();
    if (server == nullptr)
        return 1;
    std::vector<ServerCall> calls(kServerCalls);
    for (auto &call : calls) {
        call.service = &service;
        call.queue = queue.get();
        call.ask();
    }
    if (write(STDOUT_FILENO, "r", 1) != 1)
        return 1;
    void *tag;
    bool ok;
    while (queue->Next(&tag, &ok))
        if (ok)
            static_cast<ServerCall *>(tag)->proceed();
    return 0;
}

// --- the client ---

struct ClientCall {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<peer::Response>> reader;
    peer::Response response;
    grpc::Status status;
    Clock::time_point started;

    void start(peer::Calls::Stub *stub, const peer::Request &request, grpc::CompletionQueue *queue)
    {
        reader.reset();
        context = std::make_unique<grpc::ClientContext>();
        started = Clock::now();
        reader = stub->AsyncCall(context.get(), request, queue);
        reader->Finish(&response, &status, this);
    }
};

double cpu_us_of(pid_t pid)
{
    clockid_t clock;
    timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

int run(const std::string &address, pid_t server, size_t outstanding, long ms)
{
    auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                             arguments());
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5)))
        return 1;
    auto stub = peer::Calls::NewStub(channel);
    grpc::CompletionQueue queue;
    peer::Request request;
    request.mutable_bytes()->assign(kRequestBytes, 'n');
    const std::string want(kResponseBytes, 'o');
    std::vector<ClientCall> calls(outstanding);
    std::vector<double> latencies_us;
    latencies_us.reserve(1 << 20);

    for (auto &call : calls)
        call.start(stub.get(), request, &queue);
    const auto begin = Clock::now() + kWarmUp;
    const auto end = begin + std::chrono::milliseconds(ms);
    double cpu_us = 0;
    bool measuring = false;
    size_t active = outstanding;
    Clock::time_point first = begin;
    Clock::time_point last = begin;
    void *tag;
    bool ok;
    while (active > 0 && queue.Next(&tag, &ok)) {
        auto *call = static_cast<ClientCall *>(tag);
        const auto now = Clock::now();
        if (!ok || !call->status.ok() || call->response.bytes() != want)
            return 1;
        if (!measuring && now >= begin) {
            measuring = true;
            first = now;
            cpu_us = cpu_us_of(getpid()) + cpu_us_of(server);
        } else if (measuring && now < end) {
            latencies_us.push_back(
                std::chrono::duration<double, std::micro>(now - call->started).count());
            last = now;
        }
        if (now < end)
            call->start(stub.get(), request, &queue);
        else
            active--;
    }
    cpu_us = cpu_us_of(getpid()) + cpu_us_of(server) - cpu_us;
    queue.Shutdown();
    if (latencies_us.empty())
        return 1;
    std::sort(latencies_us.begin(), latencies_us.end());
    const double elapsed_s = std::chrono::duration<double>(last - first).count();
    const double count = static_cast<double>(latencies_us.size());
    std::printf("%.3f %.3f %.3f %.3f\n", count / elapsed_s,
                latencies_us[latencies_us.size() / 2], latencies_us[latencies_us.size() * 99 / 100],
                cpu_us / count);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 3 && std::strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    if (argc != 3)
        return 2;
    const std::string address = "unix:/tmp/bench-grpc-" + std::to_string(getpid());
    int ready[2];
    char byte;
    if (pipe(ready) != 0)
        return 1;
    const pid_t server = fork();
    if (server == 0) {
        (void)dup2(ready[1], STDOUT_FILENO);
        (void)execl("/proc/self/exe", argv[0], "serve", address.c_str(), nullptr);
        _exit(127);
    }
    if (server < 0 || read(ready[0], &byte, 1) != 1)
        return 1;
    const int result =
        run(address, server, std::strtoul(argv[1], nullptr, 10), std::strtol(argv[2], nullptr, 10));
    (void)kill(server, SIGKILL);
    (void)waitpid(server, nullptr, 0);
    (void)unlink(address.c_str() + std::strlen("unix:"));
    std::fflush(stdout);
    _exit(result); // gRPC's threads need not be waited for
}
