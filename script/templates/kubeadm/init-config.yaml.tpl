apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: "{{ NODE_IP }}"
  bindPort: 6443
nodeRegistration:
  name: "{{ NODE_NAME }}"
  criSocket: unix:///run/containerd/containerd.sock
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
kubernetesVersion: v1.30.1
controlPlaneEndpoint: "{{ CONTROL_PLANE_ENDPOINT }}"
networking:
  podSubnet: "{{ POD_CIDR }}"
  serviceSubnet: "{{ SERVICE_CIDR }}"
