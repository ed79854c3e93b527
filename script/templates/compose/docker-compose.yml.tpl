name: "{{ PROJECT_NAME }}"
services:
  "{{ SERVICE_NAME }}":
    image: "{{ IMAGE }}"
    init: true
    restart: always
