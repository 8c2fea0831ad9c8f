"""Serve a configuration on a Ray cluster of two nodes on this machine: a process of its own, for a test.

Reads the configuration in JSON from its first line of input, prints on which nodes its replicas are, and ends with its
input.
"""

import json
import os
import shutil
import sys
import tempfile

import ray
from ray import serve
from ray.cluster_utils import Cluster

from wesadlib.serving.configuration import APPLICATION, DEPLOYMENT, Configuration
from wesadlib.serving.deployment import deploy


def find_nodes() -> list[str]:
    """The node of each replica that runs."""
    details = serve.context._get_global_client().get_serve_details()
    replicas = details["applications"][APPLICATION]["deployments"][DEPLOYMENT]["replicas"]
    return [replica["node_id"] for replica in replicas if replica["state"] == "RUNNING"]


def main() -> None:
    """Start, tell, wait, end."""
    configuration = Configuration.model_validate_json(sys.stdin.readline())
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    # Ray's folder, in which a cluster of tests notes its address before anything has made it.
    os.environ["RAY_TMPDIR"] = folder
    os.mkdir(f"{folder}/ray")
    cluster = Cluster()
    try:
        # A core each, and each replica asks for one: none finds room beside another.
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        # On one machine a second proxy would find the port taken.
        http = configuration.http.model_dump(exclude_none=True)
        serve.start(proxy_location="HeadOnly", http_options=http, logging_config={"log_level": "ERROR"})
        serve.run(deploy(configuration), name=APPLICATION, route_prefix="/")
        print(json.dumps(find_nodes()), flush=True)
        sys.stdin.read()
        serve.shutdown()
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
