# The flow of 2023 with the requests of the Ruby gem of then (ruby-openai 4.1):
# `ruby flow_2023.rb FILE`. Only net/http, since the gem itself is not needed to send
# what it sent: JSON bodies, an upload as a form, a cancel as an empty form.
require "json"
require "net/http"

BASE = ENV.fetch("OPENAI_API_BASE")
HEADERS = { "Authorization" => "Bearer #{ENV.fetch("OPENAI_API_KEY")}" }.freeze

def call(kind, path, headers: {}, body: nil)
  uri = URI("#{BASE}#{path}")
  request = kind.new(uri, HEADERS.merge(headers))
  yield request if block_given?
  request.body = body if body
  reply = Net::HTTP.start(uri.host, uri.port) { |http| http.request(request) }
  [reply.code.to_i, (JSON.parse(reply.body) rescue reply.body)]
end

def get(path) = call(Net::HTTP::Get, path)

def post(path, parameters)
  json = { "Content-Type" => "application/json" }
  call(Net::HTTP::Post, path, headers: json, body: parameters.to_json)
end

# Faraday's multipart middleware without a file: the type, no boundary, no body.
def post_empty_form(path)
  call(Net::HTTP::Post, path, headers: { "Content-Type" => "multipart/form-data" })
end

def check(what, wanted, found)
  abort "#{what}: wanted #{wanted.inspect}, found #{found.inspect}" if wanted != found
end

def ended(id)
  loop do
    job = get("/fine-tunes/#{id}")[1]
    return job if %w[succeeded failed cancelled].include?(job["status"])
    sleep 0.1
  end
end

status, file = File.open(ARGV[0]) do |rows|
  call(Net::HTTP::Post, "/files") do |request|
    form = [["file", rows, { filename: "training.jsonl" }], ["purpose", "fine-tune"]]
    request.set_form(form, "multipart/form-data")
  end
end
check "upload", 200, status
check "purpose", "fine-tune", file["purpose"]

_, made = post("/fine-tunes", { training_file: file["id"], model: "ada" })
check "object", "fine-tune", made["object"]
check "before", "pending", made["status"]
check "open", nil, made["hyperparams"]["batch_size"]
check "file before", "uploaded", made["training_files"][0]["status"]

job = ended(made["id"])
check "done", "succeeded", job["status"]
check "file after", "processed", job["training_files"][0]["status"]
check "results", "compiled_results.csv", job["result_files"][0]["filename"]
check "last event", "Fine-tune succeeded", job["events"][-1]["message"]
check "events", job["events"], get("/fine-tunes/#{job["id"]}/events")[1]["data"]
check "listed", true, get("/fine-tunes")[1]["data"].any? { |each| each["id"] == job["id"] }

ask = { model: job["fine_tuned_model"], prompt: "Film 3 ->", max_tokens: 3 }
status, said = post("/completions", ask)
check "completion", [200, "text_completion"], [status, said["object"]]

_, other = post("/fine-tunes", { training_file: file["id"], n_epochs: 100 })
status, stopped = post_empty_form("/fine-tunes/#{other["id"]}/cancel")
check "cancel", [200, "cancelled"], [status, stopped["status"]]

status, gone = call(Net::HTTP::Delete, "/models/#{job["fine_tuned_model"]}")
check "delete", [200, true], [status, gone["deleted"]]
status, refused = get("/fine-tunes/ft-none")
check "unknown", [404, "invalid_request_error"], [status, refused["error"]["type"]]
puts "the flow of 2023 works with ruby"
