apiVersion: kubeadm.k8s.io/v1beta3
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "{{ CONTROL_PLANE_ENDPOINT }}"
    token: "{{ JOIN_TOKEN }}"
    caCertHashes:
      - "{{ CA_CERT_HASH }}"
nodeRegistration:
  name: "{{ NODE_NAME }}"
  criSocket: unix:///run/containerd/containerd.sock
